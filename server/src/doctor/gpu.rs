//! NVIDIA GPUs, as the driver and its program `nvidia-smi` say. Nothing here needs a CUDA build.

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// A driver in trouble lets its program hang.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that it prints, at most.
const MOST: u64 = 1 << 16;
const FIELDS: &str = "--query-gpu=name,memory.total,memory.free,compute_cap,driver_version";
const FORMAT: &str = "--format=csv,noheader,nounits";

/// Published memory bandwidths in GB/s, by the names that `nvidia-smi` gives. Sources: NVIDIA's data sheets.
const BANDWIDTHS: [(&str, f64); 7] = [
    ("NVIDIA GB10", 273.0),
    ("NVIDIA H100 80GB HBM3", 3350.0),
    ("NVIDIA H200", 4800.0),
    ("NVIDIA A100-SXM4-80GB", 2039.0),
    ("NVIDIA L4", 300.0),
    ("NVIDIA L40S", 864.0),
    ("NVIDIA GeForce RTX 4090", 1008.0),
];

/// The GPUs that there are, or why none is known.
#[derive(Debug, Serialize)]
pub(super) struct Gpus {
    /// The version of the kernel's driver.
    pub(super) driver: Option<String>,
    pub(super) devices: Vec<Gpu>,
    /// Why `nvidia-smi` gave none, where it is installed.
    pub(super) failure: Option<String>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Gpu {
    pub(super) name: String,
    /// Nothing where it shares the machine's memory, or the driver does not say.
    pub(super) total_bytes: Option<u64>,
    pub(super) free_bytes: Option<u64>,
    /// Such as `9.0`.
    pub(super) compute_capability: String,
    pub(super) driver: String,
    /// What its maker says, in GB/s (10^9 bytes).
    pub(super) bandwidth_gb_s: Option<f64>,
}

impl Gpus {
    /// Why there is none, in words.
    pub(super) fn remark(&self) -> String {
        let failure = self.failure.as_deref().unwrap_or("`nvidia-smi` is not installed");
        match &self.driver {
            None if self.failure.is_none() => "there is no NVIDIA driver".to_owned(),
            None => format!("there is no NVIDIA driver, and {failure}"),
            Some(driver) => format!("the NVIDIA driver {driver} is there, but {failure}"),
        }
    }
}

/// Asks the driver, for a few seconds at most.
pub(super) fn inspect() -> Gpus {
    let version = std::fs::read_to_string("/proc/driver/nvidia/version").ok();
    let driver = version.map(|text| driver_version(&text));
    let (devices, failure) = match ask() {
        Ok(text) => read(&text),
        Err(failure) => (Vec::new(), failure),
    };
    Gpus { driver, devices, failure }
}

/// What `nvidia-smi` prints. The error is why it printed nothing, and has no words where it is not installed.
fn ask() -> Result<String, Option<String>> {
    let failed = |error: std::io::Error| Some(format!("`nvidia-smi` cannot be run: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    match runtime.block_on(async { tokio::time::timeout(PATIENCE, output()).await }) {
        Ok(Ok(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(None),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(Some(format!("`nvidia-smi` gave no answer within {} s", PATIENCE.as_secs()))),
    }
}

async fn output() -> std::io::Result<Vec<u8>> {
    let mut command = Command::new("nvidia-smi");
    command.args([FIELDS, FORMAT]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.kill_on_drop(true).spawn()?;
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MOST).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The GPUs in what `nvidia-smi` printed; where there is none, what it said instead.
fn read(text: &str) -> (Vec<Gpu>, Option<String>) {
    let devices: Vec<Gpu> = text.lines().filter_map(gpu).collect();
    let said = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing");
    let said: String = said.chars().filter(|c| !c.is_control()).take(120).collect();
    let failure = devices.is_empty().then(|| format!("`nvidia-smi` shows no GPU; it says: {said}"));
    (devices, failure)
}

impl Gpu {
    /// Whether it is known why the driver gives no size of its memory: the chip has none of its own.
    pub(super) fn shares_memory(&self) -> bool {
        // GB10, Thor, Orin and Xavier.
        self.total_bytes.is_none() && ["12.1", "11.0", "8.7", "7.2"].contains(&&*self.compute_capability)
    }
}

/// One line: name, MiB, MiB, compute capability, driver. Where the GPU shares the machine's memory, as the GB10 does,
/// both sizes are `[N/A]`.
fn gpu(line: &str) -> Option<Gpu> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [name, total, free, compute_capability, driver] = fields[..] else { return None };
    let bytes = |mebibytes: &str| mebibytes.parse::<u64>().ok()?.checked_mul(1 << 20);
    let bandwidth = BANDWIDTHS.iter().find(|(known, _)| *known == name).map(|&(_, bandwidth)| bandwidth);
    let is_number = |text: &str| text.parse::<f32>().is_ok();
    (is_number(compute_capability) && !line.contains(char::is_control)).then(|| Gpu {
        name: name.to_owned(),
        total_bytes: bytes(total),
        free_bytes: bytes(free),
        compute_capability: compute_capability.to_owned(),
        driver: driver.to_owned(),
        bandwidth_gb_s: bandwidth,
    })
}

/// `580.95.05` in `NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build …`.
fn driver_version(text: &str) -> String {
    let is_version = |word: &&str| word.contains('.') && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.split_whitespace().find(is_version).unwrap_or("of an unknown version").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nvidia_smi_prints_is_read() {
        let (devices, failure) =
            read("NVIDIA H100 80GB HBM3, 81559, 81000, 9.0, 550.54.15\nNVIDIA X, 1, 1, 1.0, 1.0\n");
        assert_eq!(devices.len(), 2);
        assert_eq!(failure, None);
        assert_eq!((devices[0].total_bytes, devices[0].free_bytes), (Some(81559 << 20), Some(81000 << 20)));
        assert_eq!((devices[0].compute_capability.as_str(), devices[0].driver.as_str()), ("9.0", "550.54.15"));
        assert_eq!((devices[0].bandwidth_gb_s, devices[1].bandwidth_gb_s), (Some(3350.0), None));
        let (devices, _) = read("NVIDIA GB10, [N/A], [N/A], 12.1, 580.95.05");
        assert_eq!((devices[0].free_bytes, devices[0].bandwidth_gb_s), (None, Some(273.0)));
        assert!(devices[0].shares_memory());
        let (devices, _) = read("NVIDIA A100 MIG 1g.5gb, [Insufficient Permissions], [N/A], 8.0, 580.95.05");
        assert!(!devices[0].shares_memory());
    }

    #[test]
    fn odd_output_is_repeated_and_no_panic() {
        for text in [
            "",
            "\n\n",
            ",,,,",
            "a,b",
            "\u{0}\u{fffd}é",
            "a, 1, 1, N/A, 1",
            "No devices were found\n",
            &"x,".repeat(9999),
        ] {
            let (devices, failure) = read(text);
            assert!(devices.is_empty() && failure.unwrap().len() < 1000, "{text:?}");
        }
        let (_, failure) = read("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.");
        assert!(failure.unwrap().contains("couldn't communicate"));
        let (devices, _) = read("A, 99999999999999999999, -1, 9.0, ");
        assert_eq!((devices[0].total_bytes, devices[0].free_bytes), (None, None));
    }

    #[test]
    fn the_drivers_version_is_found() {
        let open =
            "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build  (x)\nGCC 12.2.0";
        assert_eq!(driver_version(open), "580.95.05");
        assert_eq!(driver_version(""), "of an unknown version");
    }

    #[test]
    fn why_there_is_none_is_said() {
        let remark = |driver: Option<&str>, failure: Option<&str>| {
            Gpus { driver: driver.map(str::to_owned), devices: Vec::new(), failure: failure.map(str::to_owned) }
                .remark()
        };
        assert_eq!(remark(None, None), "there is no NVIDIA driver");
        assert!(remark(Some("1.2"), None).contains("driver 1.2 is there"));
        assert!(remark(None, Some("it hangs")).ends_with("and it hangs"));
    }
}
