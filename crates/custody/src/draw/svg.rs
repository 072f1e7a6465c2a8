//! Elements of an SVG document: shapes, text, and what keeps foreign text from being markup.

use std::fmt::Write as _;

const FONT: &str =
    "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif";

/// Colours that stay apart in grey.
#[derive(Clone, Copy)]
pub(super) enum Tone {
    /// Text and lines.
    Ink,
    /// Explanations.
    Soft,
    /// What is not part of a group.
    Faint,
    /// The user's.
    User,
    /// Outsiders'.
    Outsider,
}

impl Tone {
    fn colour(self) -> &'static str {
        match self {
            Self::Ink => "#1b1f24",
            Self::Soft => "#57606a",
            Self::Faint => "#d5d9de",
            Self::User => "#0b5f8a",
            Self::Outsider => "#8c1d18",
        }
    }
}

/// A document in the making.
pub(super) struct Svg {
    width: u32,
    title: String,
    description: String,
    body: String,
}

impl Svg {
    pub(super) fn new(width: u32, title: &str, description: &str) -> Self {
        Self { width, title: escaped(title), description: escaped(description), body: String::new() }
    }

    pub(super) fn text(&mut self, x: u32, y: u32, size: u32, tone: Tone, text: &str) {
        self.line(&format!(
            r#"<text x="{x}" y="{y}" font-size="{size}" fill="{}">{}</text>"#,
            tone.colour(),
            escaped(text)
        ));
    }

    pub(super) fn bold(&mut self, x: u32, y: u32, size: u32, tone: Tone, text: &str) {
        self.line(&format!(
            r#"<text x="{x}" y="{y}" font-size="{size}" font-weight="600" fill="{}">{}</text>"#,
            tone.colour(),
            escaped(text)
        ));
    }

    /// Text that climbs from its beginning.
    pub(super) fn slanted(&mut self, x: u32, y: u32, size: u32, tone: Tone, text: &str) {
        self.line(&format!(
            r#"<text transform="translate({x} {y}) rotate(-52)" font-size="{size}" fill="{}">{}</text>"#,
            tone.colour(),
            escaped(text)
        ));
    }

    /// Shapes that belong together, with their meaning in words.
    pub(super) fn group(&mut self, meaning: &str, draw: impl FnOnce(&mut Self)) {
        self.line(&format!("<g><title>{}</title>", escaped(meaning)));
        draw(self);
        self.line("</g>");
    }

    /// A thin horizontal line.
    pub(super) fn rule(&mut self, from: u32, to: u32, y: u32) {
        let colour = Tone::Faint.colour();
        self.line(&format!(r#"<path d="M{from} {y}H{to}" stroke="{colour}"/>"#));
    }

    /// A line that joins dots.
    pub(super) fn join(&mut self, from: u32, to: u32, y: u32, dashed: bool) {
        let dashes = if dashed { r#" stroke-dasharray="3 3""# } else { "" };
        let colour = Tone::Ink.colour();
        self.line(&format!(r#"<path d="M{from} {y}H{to}" stroke="{colour}" stroke-width="2"{dashes}/>"#));
    }

    pub(super) fn shade(&mut self, x: u32, y: u32, width: u32, height: u32) {
        self.line(&format!(
            r##"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="#f2f4f6"/>"##
        ));
    }

    /// A box with a line around it.
    pub(super) fn frame(&mut self, x: u32, y: u32, width: u32, height: u32) {
        let colour = Tone::Ink.colour();
        self.line(&format!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="none" stroke="{colour}" stroke-width="1.5"/>"#
        ));
    }

    /// Not part of a group.
    pub(super) fn speck(&mut self, x: u32, y: u32) {
        self.line(&format!(r#"<circle cx="{x}" cy="{y}" r="2.5" fill="{}"/>"#, Tone::Faint.colour()));
    }

    /// A thing of the user's.
    pub(super) fn disc(&mut self, x: u32, y: u32) {
        self.line(&format!(r#"<circle cx="{x}" cy="{y}" r="7" fill="{}"/>"#, Tone::User.colour()));
    }

    /// A thing of an outsider's.
    pub(super) fn square(&mut self, x: u32, y: u32) {
        let (left, top) = (x.saturating_sub(7), y.saturating_sub(7));
        let colour = Tone::Outsider.colour();
        self.line(&format!(r#"<rect x="{left}" y="{top}" width="14" height="14" fill="{colour}"/>"#));
    }

    /// A doubt.
    pub(super) fn ring(&mut self, x: u32, y: u32) {
        let colour = Tone::Ink.colour();
        self.line(&format!(
            r##"<circle cx="{x}" cy="{y}" r="6.5" fill="#ffffff" stroke="{colour}" stroke-width="1.8" stroke-dasharray="2.6 2"/>"##
        ));
    }

    pub(super) fn finish(self, height: u32) -> String {
        let Self { width, title, description, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title description\" \
             font-family=\"{FONT}\">\n\
             <title id=\"title\">{title}</title>\n<desc id=\"description\">{description}</desc>\n\
             <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }

    fn line(&mut self, element: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// Text as character data or within quotes: no markup, and no character that XML 1.0 does not know.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

/// About how wide a text is, rather too much than too little: fonts differ.
pub(super) fn width(text: &str, size: u32) -> u32 {
    let tenths: u32 = text
        .chars()
        .map(|character| match character {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '(' | ')' | ' ' | '`' => 32,
            'm' | 'w' | 'M' | 'W' | '@' => 88,
            'A'..='Z' => 70,
            '\u{0}'..='\u{2ff}' => 58,
            _ => 100,
        })
        .sum();
    (tenths * size).div_ceil(100)
}

/// A text cut to so much room.
pub(super) fn cut(text: &str, size: u32, room: u32) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    for character in text.chars() {
        short.push(character);
        if width(&format!("{short}…"), size) > room {
            short.pop();
            break;
        }
    }
    format!("{}…", short.trim_end())
}

/// A text in lines that fit; what is longer than a line is cut.
pub(super) fn lines(text: &str, size: u32, room: u32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, size, room)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{cut, escaped, lines, width};

    #[test]
    fn foreign_text_is_no_markup() {
        let nasty = "</text><script>alert(\"1\" & '2')</script>\u{ffff}\u{1b}";
        let safe = escaped(nasty);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{1b}', '\u{ffff}']), "{safe}");
        assert!(safe.starts_with("&lt;/text&gt;&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)"));
    }

    #[test]
    fn text_fits_its_room() {
        for text in
            ["short", "a word and many more words that do not fit", &"W".repeat(300), "保管保管保管保管保管"]
        {
            assert!(width(&cut(text, 12, 90), 12) <= 90, "{text}");
            assert!(lines(text, 12, 90).iter().all(|line| width(line, 12) <= 90), "{text}");
        }
        assert_eq!(cut("short", 12, 90), "short");
    }
}
