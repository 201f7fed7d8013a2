//! The worker that reads files, as the page calls it: each call with all that it needs, so that a worker that crashed is
//! replaced and nothing is lost with it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::{Object, Reflect};
use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// What is wrong with a file, in French.
    Refused(String),
    /// The worker ended, or could not be started.
    Crashed,
}

/// A call's number, and what is done with its result.
type Waiting = (u32, oneshot::Sender<Result<JsValue, ReadError>>);

/// The worker; started with the first call.
#[derive(Clone, Default)]
pub(crate) struct Reader(Rc<Shared>);

#[derive(Default)]
struct Shared {
    worker: RefCell<Option<Running>>,
    waiting: RefCell<Vec<Waiting>>,
    calls: Cell<u32>,
}

struct Running {
    worker: Worker,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(JsValue)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

impl Reader {
    /// Calls a function of the worker by its name; `arguments` are what it reads of the message.
    ///
    /// # Errors
    /// What is wrong with the files, or that the worker crashed.
    pub(crate) async fn call(&self, name: &str, arguments: &[(&str, JsValue)]) -> Result<JsValue, ReadError> {
        let id = self.0.calls.get();
        self.0.calls.set(id.wrapping_add(1));
        let (sender, result) = oneshot::channel();
        self.0.waiting.borrow_mut().push((id, sender));
        if self.post(id, name, arguments).is_err() {
            self.crash();
        }
        result.await.unwrap_or(Err(ReadError::Crashed))
    }

    fn post(&self, id: u32, name: &str, arguments: &[(&str, JsValue)]) -> Result<(), JsValue> {
        let message = Object::new();
        Reflect::set(&message, &"id".into(), &id.into())?;
        Reflect::set(&message, &"call".into(), &name.into())?;
        for (name, value) in arguments {
            Reflect::set(&message, &(*name).into(), value)?;
        }
        self.worker()?.post_message(&message)
    }

    fn worker(&self) -> Result<Worker, JsValue> {
        let mut worker = self.0.worker.borrow_mut();
        let running = match worker.take() {
            Some(running) => running,
            None => self.start()?,
        };
        Ok(worker.insert(running).worker.clone())
    }

    fn start(&self) -> Result<Running, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let place = document().query_selector("meta[name=reader]")?.and_then(|meta| meta.get_attribute("content"));
        let worker = Worker::new_with_options(&place.unwrap_or_default(), &options)?;
        let (receiver, crashed) = (self.clone(), self.clone());
        let message = Closure::new(move |event: MessageEvent| receiver.receive(&event.data()));
        let error = Closure::new(move |_| crashed.crash());
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        Ok(Running { worker, _message: message, _error: error })
    }

    fn receive(&self, data: &JsValue) {
        let field = |name: &str| Reflect::get(data, &name.into()).ok().filter(|value| !value.is_undefined());
        let id = field("id").and_then(|id| id.as_f64()).unwrap_or(-1.0);
        let result = match (field("value"), field("refused").and_then(|text| text.as_string())) {
            (Some(value), _) => Ok(value),
            (None, Some(refused)) => Err(ReadError::Refused(refused)),
            (None, None) => return self.crash(),
        };
        // Its number is one that `call` gave.
        let mut waiting = self.0.waiting.borrow_mut();
        if let Some(at) = waiting.iter().position(|(call, _)| *call == id as u32) {
            // Whoever asked may be gone.
            let _ = waiting.swap_remove(at).1.send(result);
        }
    }

    /// Ends the worker and every call of it. The next call gets a new one.
    pub(crate) fn crash(&self) {
        let ended = self.0.worker.take();
        // Not here: this is called by what it would drop.
        set_timeout(move || drop(ended), std::time::Duration::ZERO);
        for (_, waiting) in self.0.waiting.take() {
            let _ = waiting.send(Err(ReadError::Crashed));
        }
    }
}
