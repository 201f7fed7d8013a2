//! Stub.
use leptos::prelude::*;
use std::sync::Arc;
use zyron_finance::reading::Reading;
pub(crate) fn charts_view<F: Fn(&str) + Copy + 'static>(_: &Arc<Reading>, _: F) -> impl IntoView + use<F> {}
