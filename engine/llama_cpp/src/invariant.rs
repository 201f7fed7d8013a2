//! Makes llama.cpp compute a token alike alone and in company, on a CPU.
//!
//! By itself it chooses among kernels by how many tokens a batch has, and their roundings differ: the same request
//! would now and then be answered otherwise, depending on who else runs. Its reference path has one kernel for every
//! size. That path is a switch of the CPU backend (`ggml_backend_cpu_set_use_ref`), and a context does not show the
//! backend that it has made; so the device is told to turn the switch on each backend that it makes.
//!
//! Not covered: a GPU, and weights that llama.cpp repacks for its kernels (see `LoadOptions::batch_invariant`).

use std::ffi::{c_char, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;

/// Whether the next context's backend computes so.
static WANTED: AtomicBool = AtomicBool::new(false);

type InitBackend = unsafe extern "C" fn(sys::ggml_backend_dev_t, *const c_char) -> sys::ggml_backend_t;

/// llama.cpp's own function.
static INIT_BACKEND: OnceLock<InitBackend> = OnceLock::new();

/// The beginning of `ggml_backend_device` in the pinned version's `ggml-backend-impl.h`.
#[repr(C)]
struct Device {
    /// `get_name`, `get_description`, `get_memory`, `get_type`, `get_props`.
    before: [*const c_void; 5],
    init_backend: InitBackend,
}

/// Says how contexts compute that are made from now on.
pub(crate) fn set(wanted: bool) {
    WANTED.store(wanted, Ordering::SeqCst);
    INIT_BACKEND.get_or_init(|| {
        // SAFETY: the CPU's device is a static of llama.cpp's that begins as `Device` does, and nobody uses it yet:
        // this runs once, before the first context is made.
        unsafe {
            let device = sys::ggml_backend_dev_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU).cast::<Device>();
            std::mem::replace(&mut (*device).init_backend, init_backend)
        }
    });
}

unsafe extern "C" fn init_backend(device: sys::ggml_backend_dev_t, params: *const c_char) -> sys::ggml_backend_t {
    let Some(original) = INIT_BACKEND.get() else { return std::ptr::null_mut() };
    // SAFETY: the arguments are llama.cpp's own, for its own function; what that returns is a backend of the CPU's.
    unsafe {
        let backend = original(device, params);
        if !backend.is_null() {
            sys::ggml_backend_cpu_set_use_ref(backend, WANTED.load(Ordering::SeqCst));
        }
        backend
    }
}
