//! The charts of a company's accounts, which the worker draws, each with what it says, what it can be asked, and its table.

use leptos::prelude::*;

use super::opening::open_clicked;
use crate::app::App;
use crate::reading::{Chart, View};

/// The charts.
pub(super) fn charts_view(app: App, charts: &[Chart]) -> AnyView {
    let charts = charts.iter().cloned().map(chart_view).collect_view();
    view! { <div class="charts" on:click=move |event| open_clicked(app, &event)>{charts}</div> }.into_any()
}

fn chart_view(chart: Chart) -> AnyView {
    let Chart { title, views } = chart;
    let last = views.len().saturating_sub(1);
    let shown = RwSignal::new(last.to_string());
    let option = |(at, view): (usize, &View)| view! { <option value=at.to_string()>{view.name.clone()}</option> };
    let options = views.iter().enumerate().map(option).collect_view();
    let choice =
        (last > 0).then(|| view! { <select aria-label="Exercice clos le" bind:value=shown>{options}</select> });
    let views = StoredValue::new(views);
    let part = move |of: fn(&View) -> &String| {
        move || {
            let at = shown.get().parse().unwrap_or(last);
            views.with_value(|views| views.get(at).map(|view| of(view).clone()).unwrap_or_default())
        }
    };
    view! {
        <figure class="chart">
            <figcaption>
                <h3>{title.clone()}</h3>
                {choice}
                <p>{part(|view| &view.summary)}</p>
            </figcaption>
            <div inner_html=part(|view| &view.picture)></div>
            <details>
                <summary>"Tableau"</summary>
                <div
                    class="scroll"
                    tabindex="0"
                    role="region"
                    aria-label=format!("{title}\u{a0}: tableau")
                    inner_html=part(|view| &view.table)
                ></div>
            </details>
        </figure>
    }
    .into_any()
}
