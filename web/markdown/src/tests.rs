//! What becomes of Markdown that models write, and of what nobody should.

use super::blocks::{Kind, MAX_DEPTH};
use super::*;

fn mark(start: usize, end: usize, index: usize) -> Mark {
    Mark { start, end, index }
}

/// The blocks, short: `p(37 [0:900])`.
fn short(text: &str, marks: &[Mark]) -> String {
    blocks(text, marks).iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn shown(node: &Node) -> String {
    match node {
        Node::Text(None, text) => text.clone(),
        Node::Text(Some(index), text) => format!("[{index}:{text}]"),
        Node::Break => "/".to_owned(),
        Node::Rule => "hr".to_owned(),
        Node::Element(kind, children) => {
            let name = match kind {
                Kind::Paragraph => "p".to_owned(),
                Kind::Heading(level) => format!("h{level}"),
                Kind::Quote => "q".to_owned(),
                Kind::CodeBlock => "pre".to_owned(),
                Kind::Code => "code".to_owned(),
                Kind::List { is_ordered } => if *is_ordered { "ol" } else { "ul" }.to_owned(),
                Kind::Item(number) => number.map_or("li".to_owned(), |number| format!("li{number}")),
                Kind::Table => "table".to_owned(),
                Kind::Head => "head".to_owned(),
                Kind::Row => "row".to_owned(),
                Kind::Cell { is_heading, align } => {
                    if *is_heading { "th" } else { "td" }.to_owned() + align.unwrap_or_default()
                }
                Kind::Emphasis => "em".to_owned(),
                Kind::Strong => "b".to_owned(),
                Kind::Link { to, title } => format!("a<{to}>{title}"),
            };
            format!("{name}({})", children.iter().map(shown).collect::<String>())
        }
    }
}

fn check(text: &str, marks: &[Mark], expected: &str) {
    assert_eq!(short(text, marks), expected, "{text:?}");
}

fn content(nodes: &[Node]) -> String {
    nodes.iter().fold(String::new(), |text, node| match node {
        Node::Text(_, more) => text + more,
        Node::Element(_, children) => text + &content(children),
        Node::Break | Node::Rule => text + "\n",
    })
}

#[test]
fn what_models_write_has_its_structure() {
    check("# A\n## B\n### C\n#### D\n###### E", &[], "h3(A) h3(B) h4(C) h5(D) h6(E)");
    check("a *b* **c**  \nd\ne", &[], "p(a em(b) b(c)/d\ne)");
    check("- a\n  1. b\n- [ ] c\n- [x] d", &[], "ul(li(aol(li1(b)))li(☐ c)li(☑ d))");
    check("- a\n\n- b", &[], "ul(li(p(a))li(p(b)))");
    check("> a\n\n---\n\nb", &[], "q(p(a)) hr p(b)");
    check("```json\n{}\n```\n`x`", &[], "pre({}) p(code(x))");
    check("|a|b|\n|:-|-:|\n|1|2|", &[], "table(head(thleft(a)thright(b))row(tdleft(1)tdright(2)))");
    check("a<br>b&nbsp;c \\* d", &[], "p(a/b\u{a0}c * d)");
}

#[test]
fn what_markdown_would_hide_or_run_is_text() {
    check("<script>alert(1)</script>", &[], "p(<script>alert(1)</script>)");
    check("a <b onclick=x>c</b>", &[], "p(a <b onclick=x>c</b>)");
    check("![le *bilan*](https://x/y.png)", &[], "p(le em(bilan))");
    check("Voir [1].\n\n[1]: bilan.xlsx", &[], "p(Voir [1].) p([1]: bilan.xlsx)");
    check("`[a]: b`", &[], "p(code([a]: b))");
    check("|a|\n|-|\n|1|2|**3**|", &[], "table(head(th(a))row(td(1)td(2|**3**)))");
    check("|a|b|\n|-|-|\n|1|", &[], "table(head(th(a)th(b))row(td(1)td()))");
    check("``` Total 37\nx\n```", &[], "pre(Total 37\nx)");
    check("~5 à ~6, ~~7~~", &[], "p(~5 à ~6, ~~7~~)");
}

#[test]
fn numbers_of_lists_are_the_written_ones() {
    check("1. a\n3. b\n2. c", &[], "ol(li1(a)li3(b)li2(c))");
    check("1. a\n1. b\n1. c", &[], "ol(li1(a)li2(b)li3(c))");
    check("2024) a", &[], "ol(li2024(a))");
}

#[test]
fn only_links_that_leave_the_page_are_links() {
    check("[a](https://x/é) [b](HTTP://y \"t\")", &[], "p(a<https://x/é>(a) a<HTTP://y>t(b))");
    check("<a@b.fr> [c](mailto:d@e.fr)", &[], "p(a<mailto:a@b.fr>(a@b.fr) a<mailto:d@e.fr>(c))");
    for to in ["javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "/v1", "#a", "vbscript:x", "https:x", ""] {
        check(&format!("[a]({to})"), &[], "p(a)");
    }
    check("<javascript:x>", &[], "p(javascript:x)");
}

#[test]
fn marks_are_where_their_characters_are() {
    check("é 37 900 €.", &[mark(2, 10, 4)], "p(é [4:37 900 €].)");
    check("**37 900** €", &[mark(2, 12, 0)], "p(b([0:37 900])[0: €])");
    check("12 et 13", &[mark(6, 8, 1), mark(0, 2, 0)], "p([0:12] et [1:13])");
    check("`a 12` et `` 13 ``", &[mark(3, 5, 0), mark(13, 15, 1)], "p(code(a [0:12]) et code([1:13]))");
    check("```\na = 12\nb\n```", &[mark(8, 10, 0)], "pre(a = [0:12]\nb)");
    check("|a|\n|-|\n|**12** %|", &[mark(11, 17, 0)], "table(head(th(a))row(td(b([0:12])[0: %])))");
    check("37\n900", &[mark(0, 6, 0)], "p([0:37\n900])");
    check("1&nbsp;2 &amp; 3", &[mark(0, 8, 0), mark(15, 16, 1)], "p([0:1\u{a0}2] & [1:3])");
    check("- \\*12\\*", &[mark(4, 6, 0)], "ul(li(*[0:12]*))");
    check("[12](http://x)", &[mark(1, 3, 0)], "p(a<http://x>([0:12]))");
    check("|a|\n|-|\n|1|22|", &[mark(11, 13, 0)], "table(head(th(a))row(td(1)td([0:22])))");
}

#[test]
fn marks_may_be_anything() {
    check("abc", &[mark(1, 9, 0), mark(5, 6, 1), mark(2, 2, 2), mark(3, 1, 3)], "p(a[0:bc])");
    check("abcd", &[mark(0, 3, 0), mark(1, 4, 1)], "p([0:abc][1:d])");
    check("", &[mark(0, 1, 0)], "");
}

#[test]
fn what_is_being_written_does_not_flicker_as_a_heading() {
    check("Ainsi\u{a0}:\n-", &[], "p(Ainsi\u{a0}:)");
    check("Ainsi\u{a0}:\n- a", &[], "p(Ainsi\u{a0}:) ul(li(a))");
    check("Titre\n===\na", &[], "h3(Titre) p(a)");
}

#[test]
fn finished_blocks_stay_while_an_answer_grows() {
    let text = sample(2_000);
    let mut before: Vec<Node> = Vec::new();
    for (end, _) in text.char_indices() {
        let now = blocks(&text[..end], &[]);
        let finished = before.len().saturating_sub(1);
        // A table's first line is a paragraph until its second is there, a paragraph's next line may begin a list.
        assert!(now.len() >= finished && now[..finished] == before[..finished], "{:?}", &text[..end]);
        before = now;
    }
}

#[test]
fn nothing_is_lost() {
    const WORDS: [&str; 26] = [
        "été", "37", "où ", " ", "\n", "\n\n", "- ", "> ", "# ", "**", "*", "_", "`", "```\n", "|", "|-|-|\n", "[",
        "]", "]: ", "![", "~~", "<b>", "&", "\\", "    ", "---\n",
    ];
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let text: String = (0..next(24)).map(|_| WORDS[next(WORDS.len())]).collect();
        let length = text.chars().count() + 1;
        let marks: Vec<Mark> = (0..next(4)).map(|index| mark(next(length), next(length), index)).collect();
        let nodes = blocks(&text, &marks);
        let of = |text: &str| text.chars().filter(|char| char.is_alphanumeric()).collect::<String>();
        assert_eq!(of(&content(&nodes)), of(&text), "{text:?} {marks:?}");
    }
}

#[test]
fn depth_is_bounded() {
    let depth = |node: &Node| {
        let (mut most, mut rest) = (0, vec![(node.clone(), 1)]);
        while let Some((node, depth)) = rest.pop() {
            most = most.max(depth);
            if let Node::Element(_, children) = node {
                rest.extend(children.into_iter().map(|child| (child, depth + 1)));
            }
        }
        most
    };
    for sign in
        ["> ", "- ", "*a ", "[", "**a", "`", "|", "<", "![a](", "1. ", "_a*", "\\", "(", "#", "\n> ", "&amp", "]:"]
    {
        let blocks = blocks(&sign.repeat(16_384 / sign.len()), &[]);
        assert!(blocks.iter().all(|block| depth(block) <= MAX_DEPTH + 2), "{sign:?}");
    }
}

fn sample(length: usize) -> String {
    let part = "## Analyse\n\nLe **chiffre d’affaires** atteint 1\u{202f}250\u{a0}000\u{a0}€, soit *+12,5\u{a0}%*.\n\n\
                Points à noter\u{a0}:\n- La marge de 37\u{202f}900\u{a0}€ ;\n- le `bfr` [1].\n\n1. Un\n2. Deux\n\n\
                | Poste | 2023 | 2024 |\n|---|--:|--:|\n| Ventes | 1 | 2 |\n| Stocks | 3 | 4 |\n\n> Prudence.\n\n";
    part.chars().cycle().take(length).collect()
}
