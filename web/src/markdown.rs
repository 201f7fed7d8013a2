//! The text of an answer, drawn by `zyron-markdown`: a module of its own, which is loaded with the first answer. Until it
//! is there, or where it cannot be, the text is shown as it was written.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Function, Promise};
use leptos::html::Div;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Element;

use crate::conversation::Said;

#[wasm_bindgen]
extern "C" {
    /// The module.
    #[derive(Clone)]
    type Module;
    #[wasm_bindgen(method, catch)]
    fn answer(this: &Module, place: &Element, mark: &JsValue) -> Result<Drawn, JsValue>;

    /// An answer in its place.
    type Drawn;
    #[wasm_bindgen(method, catch)]
    fn show(this: &Drawn, text: &str, marks: &[u32]) -> Result<(), JsValue>;
}

/// What draws answers, once it is loaded.
#[derive(Clone, Copy)]
pub(crate) struct Markdown {
    module: RwSignal<Option<Module>, LocalStorage>,
    is_loading: StoredValue<bool>,
    /// Gives a promise of the module.
    load: StoredValue<Function, LocalStorage>,
}

impl Markdown {
    pub(crate) fn new(load: Function) -> Self {
        let module = RwSignal::new_local(None);
        Self { module, is_loading: StoredValue::new(false), load: StoredValue::new_local(load) }
    }

    /// Loads the module, once; where that failed, again.
    fn load(self) {
        if self.is_loading.get_value() {
            return;
        }
        self.is_loading.set_value(true);
        spawn_local(async move {
            let promise = self.load.with_value(|load| load.call0(&JsValue::NULL));
            match JsFuture::from(Promise::resolve(&promise.unwrap_or_default())).await {
                Ok(module) if module.is_object() => self.module.set(Some(module.unchecked_into())),
                _ => self.is_loading.set_value(false),
            }
        });
    }
}

/// Draws in `place` what is said, which may be growing, at most once in a frame. `number` makes the element of one of its
/// numbers, or of a piece of one, as it is written.
pub(crate) fn draw(
    markdown: Markdown,
    place: NodeRef<Div>,
    said: ArcRwSignal<Said>,
    number: impl Fn(usize, String) -> Result<Element, JsValue> + 'static,
) {
    markdown.load();
    let text = StoredValue::new_local(Text { number: Closure::new(number), drawn: None, is_plain: false });
    let show = {
        let said = said.clone();
        move || {
            // By now it may be off the page.
            if !text.is_disposed()
                && let Some(place) = place.get_untracked()
            {
                let module = markdown.module.get_untracked();
                text.update_value(|text| said.with_untracked(|said| text.show(module.as_ref(), &place, said)));
            }
        }
    };
    let is_waiting = Rc::new(Cell::new(false));
    Effect::new(move |is_shown: Option<()>| {
        said.track();
        markdown.module.track();
        if is_shown.is_none() {
            show();
        } else if !is_waiting.replace(true) {
            let (show, is_waiting) = (show.clone(), is_waiting.clone());
            request_animation_frame(move || {
                is_waiting.set(false);
                show();
            });
        }
    });
}

/// A text in its place.
struct Text {
    number: Closure<dyn Fn(usize, String) -> Result<Element, JsValue>>,
    drawn: Option<Drawn>,
    /// Whether it could not be drawn.
    is_plain: bool,
}

impl Text {
    fn show(&mut self, module: Option<&Module>, place: &Element, said: &Said) {
        if let Some(module) = module.filter(|_| !self.is_plain) {
            self.is_plain = self.draw(module, place, said).is_err();
        }
        if self.is_plain || module.is_none() {
            place.set_text_content(None);
            if !said.text.is_empty()
                && let Ok(paragraph) = document().create_element("p")
            {
                paragraph.set_class_name("plain");
                paragraph.set_text_content(Some(&said.text));
                // An element without a parent can be put anywhere.
                let _ = place.append_child(&paragraph);
            }
        }
    }

    fn draw(&mut self, module: &Module, place: &Element, said: &Said) -> Result<(), JsValue> {
        let drawn = match self.drawn.take() {
            Some(drawn) => drawn,
            None => {
                place.set_text_content(None);
                module.answer(place, self.number.as_ref())?
            }
        };
        let marks = said.numbers.iter().flat_map(|number| [number.start as u32, number.end as u32]);
        self.drawn.insert(drawn).show(&said.text, &marks.collect::<Vec<_>>())
    }
}
