//! A company's accounts as charts: how the result is made, what margins became, what the balance sheet is made of.
//!
//! Each is SVG that says in words what it shows, with the same numbers in a table below. Places are percentages of the
//! width it has, so text keeps its size whatever that is. Where things are is computed in [`waterfall`], [`margins`] and
//! [`balance`], of numbers that were computed elsewhere: this only adds up what it puts together.

mod balance;
mod figures;
mod margins;
mod scale;
mod waterfall;

use leptos::prelude::*;
use zyron_finance::reading::Reading;

use self::figures::Figures;
use self::scale::percent;

/// The charts of a company, as far as its accounts give them. `open` is called with the identifier of an item that the
/// analyst asks for.
pub(crate) fn charts_view(reading: &Reading, open: impl Fn(&str) + 'static) -> AnyView {
    let (figures, open) = (Figures::new(reading), Open(StoredValue::new_local(Box::new(open))));
    let charts = [waterfall::view(&figures, open), margins::view(&figures, open), balance::view(&figures, open)];
    view! { <div class="charts">{charts.into_iter().flatten().collect_view()}</div> }.into_any()
}

/// Shows an item.
#[derive(Clone, Copy)]
struct Open(StoredValue<Opener, LocalStorage>);

type Opener = Box<dyn Fn(&str)>;

impl Open {
    fn item(self, id: Option<&'static str>) {
        if let Some(id) = id {
            self.0.with_value(|open| open(id));
        }
    }
}

/// What a picture says to whoever does not see it.
struct Words {
    /// Unique on the page.
    id: String,
    title: String,
    description: String,
}

/// A chart with what it says, what it can be asked, and its table.
fn figure(title: &'static str, summary: AnyView, choice: AnyView, picture: AnyView, table: AnyView) -> AnyView {
    view! {
        <figure class="chart">
            <figcaption>
                <h3>{title}</h3>
                {choice}
                <p>{summary}</p>
            </figcaption>
            {picture}
            <details>
                <summary>"Tableau"</summary>
                <div class="scroll" tabindex="0" role="region" aria-label=format!("{title}\u{a0}: tableau")>{table}</div>
            </details>
        </figure>
    }
    .into_any()
}

fn picture(words: Words, height: f64, inside: AnyView) -> AnyView {
    let Words { id, title, description } = words;
    let (titled, described) = (format!("{id}-title"), format!("{id}-words"));
    let both = format!("{titled} {described}");
    view! {
        <svg role="img" aria-labelledby=both width="100%" height=height.to_string()>
            <title id=titled>{title}</title>
            <desc id=described>{description}</desc>
            {inside}
        </svg>
    }
    .into_any()
}

/// A row of a table: an item, its name and its cells.
type Line = (Option<&'static str>, &'static str, Vec<String>);

fn table(head: Vec<String>, lines: Vec<Line>, open: Open) -> AnyView {
    let name = move |id: Option<&'static str>, label: &'static str| match id {
        Some(_) => {
            view! { <button type="button" class="link" on:click=move |_| open.item(id)>{label}</button> }.into_any()
        }
        None => label.into_any(),
    };
    let line = |(id, label, cells): Line| {
        view! {
            <tr>
                <th scope="row">{name(id, label)}</th>
                {cells.into_iter().map(|cell| view! { <td>{cell}</td> }).collect_view()}
            </tr>
        }
    };
    view! {
        <table>
            <thead>
                <tr>
                    <th scope="col">"Poste"</th>
                    {head.into_iter().map(|cell| view! { <th scope="col">{cell}</th> }).collect_view()}
                </tr>
            </thead>
            <tbody>{lines.into_iter().map(line).collect_view()}</tbody>
        </table>
    }
    .into_any()
}

/// A bar from one value to another, below its name and what it is.
#[derive(Clone, Debug, PartialEq)]
struct Bar {
    id: Option<&'static str>,
    label: &'static str,
    written: String,
    kind: &'static str,
    from: f64,
    to: f64,
}

/// How high a bar is with its text.
const ROW: f64 = 32.0;

/// Bars one below the other. Where they are steps, a line leads from each to where the next begins.
fn bars(words: Words, bars: &[Bar], are_steps: bool, open: Open) -> AnyView {
    let scale = scale::Scale::over(bars.iter().flat_map(|bar| [bar.from, bar.to]));
    let height = ROW * bars.len() as f64;
    // At the edge, where the bars begin, nobody needs it.
    let zero = Some(percent(scale.at(0.0))).filter(|_| scale.has_negatives());
    let zero = zero.map(|x| view! { <line class="zero" x1=x.clone() x2=x y1="0" y2=height/> });
    let line = |(at, bar): (usize, &Bar)| {
        let (x, y) = (percent(scale.at(bar.to)), ROW * at as f64);
        (are_steps && at + 1 < bars.len())
            .then(|| view! { <line class="lead" x1=x.clone() x2=x y1=y + 26.0 y2=y + ROW + 18.0/> })
    };
    let row = |(at, bar): (usize, &Bar)| {
        let Bar { id, label, written, kind, .. } = bar.clone();
        let (x, width) = scale.span(bar.from, bar.to);
        let (top, hint) = (ROW * at as f64, format!("{label}\u{a0}: {written}"));
        view! {
            <g class=kind class:opens=id.is_some() on:click=move |_| open.item(id)>
                <title>{hint}</title>
                <rect class="hit" x="0" width="100%" y=top height=ROW/>
                <text x="0" y=top + 13.0>{label}</text>
                <text class="amount" x="100%" y=top + 13.0>{written}</text>
                <rect class="bar" x=percent(x) width=percent(width) y=top + 18.0 height="8"/>
            </g>
        }
    };
    let inside = view! {
        {zero}
        {bars.iter().enumerate().map(line).collect_view()}
        {bars.iter().enumerate().map(row).collect_view()}
    };
    picture(words, height, inside.into_any())
}

#[cfg(test)]
mod tests;
