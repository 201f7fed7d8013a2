//! Buttons and boxes, as all of the page has them. What they do is boxed, so that their code is there once.

use leptos::prelude::*;

/// A button. `class` is how it looks: `""` for what the page is for, `quiet`, `link` or `item`.
pub(super) fn button(
    class: &'static str,
    name: &'static str,
    label: impl Into<String>,
    click: impl Fn() + 'static,
) -> AnyView {
    drawn(class, name, label.into(), Signal::stored(false), Box::new(click))
}

/// A button that cannot be pressed while `is_off`.
pub(super) fn button_unless(
    is_off: impl Into<Signal<bool>>,
    class: &'static str,
    name: &'static str,
    label: impl Into<String>,
    click: impl Fn() + 'static,
) -> AnyView {
    drawn(class, name, label.into(), is_off.into(), Box::new(click))
}

fn drawn(
    class: &'static str,
    name: &'static str,
    label: String,
    is_off: Signal<bool>,
    click: Box<dyn Fn()>,
) -> AnyView {
    view! {
        <button type="button" class=class data-testid=name disabled=is_off on:click=move |_| click()>{label}</button>
    }
    .into_any()
}

/// A box that is ticked or not.
pub(super) fn check(name: &'static str, label: &'static str, value: RwSignal<bool>) -> AnyView {
    view! {
        <label class="check"><input type="checkbox" data-testid=name bind:checked=value/>{label}</label>
    }
    .into_any()
}

/// A table's first heading, which is read out and not seen.
pub(super) fn unseen(text: &'static str) -> AnyView {
    view! { <span class="hidden">{text}</span> }.into_any()
}
