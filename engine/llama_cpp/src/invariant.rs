//! Makes llama.cpp compute a token alike alone and in company, on a CPU.
//!
//! By itself it chooses among kernels by how many tokens a batch has, and their roundings differ: the same request
//! would now and then be answered otherwise, depending on who else runs. Its reference path has one kernel for every
//! size. That path is a switch of the CPU backend (`ggml_backend_cpu_set_use_ref`), and a context does not show the
//! backend that it has made; so the device is told to prepare each backend that it makes.
//!
//! Where weights are Q8_0, the kernel for many tokens adds up what the one for a single token does, in the same order: it is
//! faster and makes no difference. Then the switch is off for these products and on for the rest of a graph, which is
//! computed in pieces.
//!
//! Not covered: a GPU, and weights that llama.cpp repacks for its kernels (see `LoadOptions::batch_invariant`).

use std::ffi::{c_char, c_int, c_void};
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_sys_2 as sys;

/// Whether the next context's backend computes so.
static WANTED: AtomicBool = AtomicBool::new(false);

type InitBackend = unsafe extern "C" fn(sys::ggml_backend_dev_t, *const c_char) -> sys::ggml_backend_t;
type Compute = unsafe extern "C" fn(sys::ggml_backend_t, *mut sys::ggml_cgraph) -> sys::ggml_status;

/// llama.cpp's own functions.
static INIT_BACKEND: OnceLock<InitBackend> = OnceLock::new();
static COMPUTE: OnceLock<Compute> = OnceLock::new();

/// The beginning of `ggml_backend_device` in the pinned version's `ggml-backend-impl.h`.
#[repr(C)]
struct Device {
    /// `get_name`, `get_description`, `get_memory`, `get_type`, `get_props`.
    before: [*const c_void; 5],
    init_backend: InitBackend,
}

/// The beginning of `ggml_backend`, there too.
#[repr(C)]
struct Backend {
    guid: *const c_void,
    /// `get_name`, `free`, five functions that set, get or copy tensors, `synchronize`, four for plans.
    before: [*const c_void; 12],
    graph_compute: Compute,
}

/// The beginning of `ggml_cgraph` in `ggml-impl.h`.
#[repr(C)]
struct Graph {
    size: c_int,
    n_nodes: c_int,
    n_leafs: c_int,
    nodes: *mut *mut sys::ggml_tensor,
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
    // SAFETY: the arguments are llama.cpp's own, for its own function; what that returns is a backend of the CPU's, which
    // begins as `Backend` does and which nobody uses yet.
    unsafe {
        let backend = original(device, params);
        if !backend.is_null() && WANTED.load(Ordering::SeqCst) {
            let compute = &mut (*backend.cast::<Backend>()).graph_compute;
            COMPUTE.get_or_init(|| *compute);
            *compute = compute_alike;
        }
        backend
    }
}

/// Computes a graph, each node as its neighbours' number may not matter to it.
unsafe extern "C" fn compute_alike(backend: sys::ggml_backend_t, graph: *mut sys::ggml_cgraph) -> sys::ggml_status {
    let Some(original) = COMPUTE.get() else { return sys::GGML_STATUS_FAILED };
    // SAFETY: the graph is llama.cpp's, begins as `Graph` does, and is this thread's alone while it is computed; its nodes
    // are tensors, whose sources are there for as long. What is changed of it is as it was when this returns.
    unsafe {
        let whole = graph.cast::<Graph>();
        let (first, count) = ((*whole).nodes, (*whole).n_nodes);
        let nodes = match usize::try_from(count) {
            Ok(count) if !first.is_null() => slice::from_raw_parts(first, count),
            _ => &[],
        };
        if !nodes.iter().any(|&node| is_faster_together(node)) {
            sys::ggml_backend_cpu_set_use_ref(backend, true);
            return original(backend, graph);
        }
        let mut status = sys::GGML_STATUS_SUCCESS;
        for piece in nodes.chunk_by(|&one, &next| is_alike(one) == is_alike(next)) {
            sys::ggml_backend_cpu_set_use_ref(backend, !is_alike(piece[0]));
            (*whole).nodes = piece.as_ptr().cast_mut();
            (*whole).n_nodes = c_int::try_from(piece.len()).unwrap_or(0);
            status = original(backend, graph);
            if status != sys::GGML_STATUS_SUCCESS {
                break;
            }
        }
        (*whole).nodes = first;
        (*whole).n_nodes = count;
        status
    }
}

/// Whether a node is the same by the kernels that llama.cpp chooses and by those of its reference path.
///
/// # Safety
/// It is a tensor, and so are the sources that its operation has.
unsafe fn is_alike(node: *const sys::ggml_tensor) -> bool {
    // SAFETY: the caller's.
    unsafe {
        match (*node).op {
            sys::GGML_OP_MUL_MAT => has_one_order(node),
            sys::GGML_OP_MUL_MAT_ID | sys::GGML_OP_FLASH_ATTN_EXT => false,
            _ => true,
        }
    }
}

/// Whether a node is the product with many tokens that the pieces are for.
///
/// # Safety
/// As for [`is_alike`].
unsafe fn is_faster_together(node: *const sys::ggml_tensor) -> bool {
    // SAFETY: the caller's; a product has two sources.
    unsafe { (*node).op == sys::GGML_OP_MUL_MAT && has_one_order(node) && (*(*node).src[1]).ne[1] >= FEW }
}

/// Tokens with which pieces gain more than they cost.
const FEW: i64 = 4;

/// Whether a product's weights are of the kind whose kernels for one token (`ggml_vec_dot_q8_0_q8_0`) and for many
/// (`tinyBLAS_Q0_AVX`) add up in the same order: Q8_0, with AVX2.
///
/// # Safety
/// The node is a product.
unsafe fn has_one_order(node: *const sys::ggml_tensor) -> bool {
    // SAFETY: the caller's.
    cfg!(target_arch = "x86_64") && unsafe { (*(*node).src[0]).type_ == sys::GGML_TYPE_Q8_0 }
}
