"""Schemathesis against the scripted server at ZYRON_SCRIPTED_URL, from the document that it serves.

ZYRON_SCHEMATHESIS_EXAMPLES is how many random requests are made up for each operation: few by default, for the tests;
thousands for a long search. More options of `schemathesis run` may follow on the command line, such as `--seed`.
"""

import os
import subprocess
import sys
from pathlib import Path

DEFAULT = "25"

url = os.environ.get("ZYRON_SCRIPTED_URL")
if not url:
    sys.exit("ZYRON_SCRIPTED_URL is not set; `cargo xtask test` starts a server and sets it")
command = [Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json", "--url", url]
command += ["--max-examples", os.environ.get("ZYRON_SCHEMATHESIS_EXAMPLES") or DEFAULT, *sys.argv[1:]]
# Its configuration and hooks lie here, and it looks for them where it is started.
sys.exit(subprocess.run(command, cwd=Path(__file__).parent).returncode)
