"""What Schemathesis cannot know about the scripted server."""

import json

import schemathesis


@schemathesis.hook
def filter_case(context, case):
    """The scripted server stalls, or fails with a 500, where it is told to."""
    said = json.dumps(case.body, default=str) if isinstance(case.body, dict | list) else ""
    return "stall" not in said and "fail" not in said


@schemathesis.hook
def before_call(context, case, kwargs):
    """Names the model that is there, most of the time: beyond its name, a request for any other is not looked at."""
    body = case.body
    # All others would be without it. (Hypothesis takes names that it sees in the code, this one too.)
    if case.operation.path == "/v1/admin/models/unload":
        if isinstance(body, dict) and body.get("model") == "scripted":
            body["model"] = "another"
        return
    if isinstance(body, dict) and isinstance(body.get("model"), str) and len(body["model"]) % 4 != 3:
        body["model"] = "scripted"
