//! The picture: the operator's own status, again and again. On a terminal it is drawn over; elsewhere only what is new is said.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use hactl_controller::present::{StatusView, Style, View};

/// Where the picture is drawn.
pub(crate) struct Picture {
    terminal: bool,
    began: Instant,
    /// Lines of the last drawing, to be drawn over.
    lines: usize,
    last: String,
}

impl Picture {
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            began: Instant::now(),
            lines: 0,
            last: String::new(),
        }
    }

    /// Draws the status over the last one.
    pub(crate) fn draw(&mut self, view: &StatusView) {
        if !self.terminal {
            return;
        }
        let text = view.text(Style::Colour);
        let up = if self.lines > 0 {
            format!("\u{1b}[{}A\u{1b}[J", self.lines)
        } else {
            String::new()
        };
        self.lines = text.lines().count();
        let mut out = std::io::stdout().lock();
        // Nobody is left to draw for when the terminal is gone.
        let _ = write!(out, "{up}{text}");
        let _ = out.flush();
    }

    /// Says a line of the story, once; it stays above the picture.
    pub(crate) fn say(&mut self, text: &str) {
        if self.last == text {
            return;
        }
        text.clone_into(&mut self.last);
        self.lines = 0;
        println!("{:5.1} s  {text}", self.began.elapsed().as_secs_f64());
    }

    /// The status as it is at the end, on a terminal and elsewhere.
    pub(crate) fn leave(&mut self, view: &StatusView) {
        if self.terminal {
            self.draw(view);
        } else {
            print!("{}", view.text(Style::Plain));
        }
    }
}
