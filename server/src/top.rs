//! `zyron top`: what a running server does, second by second, in the terminal. It reads `GET /metrics` and nothing else.

mod scrape;
mod view;

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use anyhow::Context;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{self, Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, execute, queue, style};

use self::scrape::Scrape;
use self::view::View;
use crate::cli::TopArgs;
use crate::remote::Remote;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &TopArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = Remote::new(&args.server, Some(TIMEOUT))?;
    if args.once || !stdout().is_terminal() {
        let now = runtime.block_on(scrape(&server))?;
        writeln!(stdout(), "{}", View::new(None, &now).lines(server.name().to_owned()).join("\n"))?;
        return Ok(());
    }
    let _screen = Screen::enter()?;
    let mut before: Option<Scrape> = None;
    loop {
        let next = Instant::now() + INTERVAL;
        match runtime.block_on(scrape(&server)) {
            Ok(now) => {
                // A server that was started again counts from zero again.
                let known = before.as_ref().filter(|before| before.is_same_process(&now));
                draw(&View::new(known, &now).lines(server.name().to_owned()))?;
                before = Some(now);
            }
            Err(error) => {
                draw(&[format!("{error:#}"), String::new(), "Trying again every second; q quits.".to_owned()])?
            }
        }
        if wants_to_quit(next)? {
            return Ok(());
        }
    }
}

async fn scrape(server: &Remote) -> anyhow::Result<Scrape> {
    let response = server.get("/metrics").await?;
    let text = response.text().await.with_context(|| format!("{} broke off", server.name()))?;
    Ok(Scrape::read(&text))
}

/// The terminal while it is ours; dropping it gives it back as it was.
struct Screen;

impl Screen {
    fn enter() -> anyhow::Result<Self> {
        terminal::enable_raw_mode().context("this terminal cannot be drawn on; try --once")?;
        let screen = Self;
        execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nothing left to do about a terminal that is gone.
        let _ = execute!(stdout(), cursor::Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

fn draw(lines: &[String]) -> anyhow::Result<()> {
    let (width, height) = terminal::size()?;
    let mut out = stdout().lock();
    for (row, line) in (0..height).zip(lines) {
        let line: String = line.chars().take(width.into()).collect();
        queue!(out, cursor::MoveTo(0, row), style::Print(line), Clear(ClearType::UntilNewLine))?;
    }
    if lines.len() < height.into() {
        queue!(out, cursor::MoveToNextLine(1), Clear(ClearType::FromCursorDown))?;
    }
    out.flush()?;
    Ok(())
}

/// Waits until then, or until somebody wants to quit.
fn wants_to_quit(until: Instant) -> anyhow::Result<bool> {
    while event::poll(until.saturating_duration_since(Instant::now()))? {
        if let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event::read()? {
            let is_interrupt = code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
            if is_interrupt || matches!(code, KeyCode::Char('q') | KeyCode::Esc) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
