//! HTML → readable text. The tokenizer follows the WHATWG rules, so what a browser would read as text is read as text;
//! no tree is built, so nesting costs nothing.

use html5gum::Tokenizer;
use html5gum::emitters::default::{DefaultEmitter, StartTag, Token};

/// Lists deeper than this are no longer indented further.
const INDENTED: usize = 8;

/// Renders an HTML fragment as text: blocks become lines, list items `- ` or `1. `, links `text (address)`. Scripts,
/// styles, comments and markup go.
pub(super) fn to_text(html: &str) -> String {
    let mut emitter = DefaultEmitter::default();
    // Scripts and styles hold `<` that opens no tag; without a tree builder the tokenizer has to be told.
    emitter.naively_switch_states(true);
    let mut page = Page::default();
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => page.open(&tag),
            Token::EndTag(tag) => page.close(&tag.name),
            Token::String(text) => page.write(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    page.finish()
}

/// The text so far, and what is open.
#[derive(Default)]
struct Page {
    out: String,
    /// Line breaks owed before the next text; 1 ends a line, 2 ends a paragraph.
    breaks: usize,
    /// A blank is owed before the next text of the same line.
    blank: bool,
    /// Inside script, style or title.
    hidden: bool,
    /// How many `<pre>` are open: white space counts there.
    preformatted: usize,
    /// Open lists; a number is the next item's.
    lists: Vec<Option<u32>>,
    /// The open link: its address, and where its text begins as soon as it has some.
    link: Option<(String, Option<usize>)>,
}

impl Page {
    fn open(&mut self, tag: &StartTag<()>) {
        match &**tag.name {
            b"script" | b"style" | b"title" => self.hidden = true,
            b"br" => {
                self.breaks = if self.out.is_empty() { 0 } else { (self.breaks + 1).min(2) };
            }
            b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"blockquote" | b"table" | b"hr" => {
                self.end_line(2);
            }
            b"pre" => {
                self.end_line(2);
                self.preformatted += 1;
            }
            b"ul" => self.open_list(None),
            b"ol" => {
                let first = attribute(tag, b"start").and_then(|start| start.trim().parse().ok()).unwrap_or(1);
                self.open_list(Some(first));
            }
            b"li" => self.item(),
            b"td" | b"th" => self.cell(),
            b"a" => {
                self.close_link();
                self.link =
                    attribute(tag, b"href").and_then(|href| shown_address(&href)).map(|address| (address, None));
            }
            b"img" => {
                let alt = attribute(tag, b"alt").unwrap_or_default();
                let alt = alt.trim();
                self.write(&if alt.is_empty() { "[image]".to_owned() } else { format!("[{alt}]") });
            }
            name if is_block(name) => self.end_line(1),
            _ => {}
        }
    }

    fn close(&mut self, name: &[u8]) {
        match name {
            b"script" | b"style" | b"title" => self.hidden = false,
            b"p" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"blockquote" | b"table" => self.end_line(2),
            b"pre" => {
                self.preformatted = self.preformatted.saturating_sub(1);
                self.end_line(2);
            }
            b"ul" | b"ol" => {
                self.lists.pop();
                self.end_line(if self.lists.is_empty() { 2 } else { 1 });
            }
            b"li" => self.end_line(1),
            b"a" => self.close_link(),
            name if is_block(name) => self.end_line(1),
            _ => {}
        }
    }

    fn write(&mut self, text: &str) {
        if self.hidden {
            return;
        }
        for c in text.chars() {
            if c == '\n' && self.preformatted > 0 {
                self.breaks = if self.out.is_empty() { 0 } else { (self.breaks + 1).min(2) };
            } else if c.is_whitespace() && self.preformatted == 0 {
                self.blank = true;
            } else if c.is_whitespace() || !c.is_control() {
                self.settle();
                // What a tab keeps apart stays apart.
                self.out.push(if c.is_control() { ' ' } else { c });
            }
        }
    }

    /// Writes the white space that is owed. None is ever owed at the beginning.
    fn settle(&mut self) {
        if self.breaks > 0 {
            self.out.truncate(self.out.trim_end_matches(' ').len());
            // Blanks that a link began with may be among those that went.
            if let Some((_, Some(start))) = &mut self.link {
                *start = self.out.len().min(*start);
            }
            // What went may have been a line of its own: then fewer breaks are owed, and none at the beginning.
            let there = self.out.len() - self.out.trim_end_matches('\n').len();
            let owed = if self.out.is_empty() { 0 } else { self.breaks.min(2_usize.saturating_sub(there)) };
            self.out.extend(std::iter::repeat_n('\n', owed));
        } else if self.blank && !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.blank = false;
        // White space from before a link stays outside of it.
        if let Some((_, start @ None)) = &mut self.link {
            *start = Some(self.out.len());
        }
    }

    fn end_line(&mut self, breaks: usize) {
        if !self.out.is_empty() {
            self.breaks = self.breaks.max(breaks);
        }
        self.blank = false;
    }

    fn open_list(&mut self, first: Option<u32>) {
        self.end_line(if self.lists.is_empty() { 2 } else { 1 });
        self.lists.push(first);
    }

    fn item(&mut self) {
        self.end_line(1);
        self.settle();
        let depth = self.lists.len().saturating_sub(1).min(INDENTED);
        self.out.extend(std::iter::repeat_n("  ", depth));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.out.push_str(&format!("{number}. "));
                *number = number.saturating_add(1);
            }
            Some(None) | None => self.out.push_str("- "),
        }
    }

    /// Cells of one row stand beside each other.
    fn cell(&mut self) {
        if self.breaks == 0 && !self.out.is_empty() && !self.out.ends_with(['\n', '|']) {
            self.blank = true;
            self.settle();
            self.out.push('|');
            self.blank = true;
        }
    }

    fn close_link(&mut self) {
        let Some((address, start)) = self.link.take() else { return };
        let Some(start) = start else { return self.write(&address) };
        // The address belongs to the text that was written; white space owed after it stays owed.
        if !same_address(self.out.get(start..).unwrap_or_default().trim(), &address) {
            self.out.push_str(&format!(" ({address})"));
        }
    }

    fn finish(mut self) -> String {
        self.close_link();
        self.out.truncate(self.out.trim_end().len());
        self.out
    }
}

/// Elements that stand on lines of their own and have no arm of their own.
fn is_block(name: &[u8]) -> bool {
    matches!(
        name,
        b"div"
            | b"tr"
            | b"section"
            | b"article"
            | b"header"
            | b"footer"
            | b"main"
            | b"aside"
            | b"nav"
            | b"address"
            | b"figure"
            | b"figcaption"
            | b"form"
            | b"fieldset"
            | b"dl"
            | b"dt"
            | b"dd"
            | b"details"
            | b"summary"
            | b"option"
            | b"caption"
    )
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    tag.attributes.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// The address of a link, if it leads a reader anywhere: scripts, data and places inside the page do not.
fn shown_address(href: &str) -> Option<String> {
    // Browsers drop line breaks and tabs inside an address, and so must whoever looks at its scheme.
    let href: String = href.trim().chars().filter(|c| !c.is_control()).collect();
    let scheme = href.split_once(':')?.0.to_ascii_lowercase();
    match scheme.as_str() {
        "http" | "https" | "sip" | "sms" => Some(href),
        "mailto" | "tel" => Some(href[scheme.len() + 1..].to_owned()),
        _ => None,
    }
}

/// Whether the text already is the address, for instance without `https://` or a last `/`.
fn same_address(text: &str, address: &str) -> bool {
    let bare = |s: &str| {
        let s = s.trim_end_matches('/');
        s.strip_prefix("https://").or_else(|| s.strip_prefix("http://")).unwrap_or(s).to_owned()
    };
    bare(text) == bare(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn html_becomes_readable_text() {
        let rows = [
            ("", ""),
            ("plain", "plain"),
            ("5 < 6 &amp; 7 &gt; 6 &euro; &#x1F600; &nosuch;", "5 < 6 & 7 > 6 € 😀 &nosuch;"),
            ("<p>Hello</p><p>there&nbsp;you</p>", "Hello\n\nthere you"),
            ("<div>a</div><div><div>b</div></div>", "a\nb"),
            ("a<br>b<br/><br><br><br>c", "a\nb\n\nc"),
            ("  a \n  b <b> c</b>d ", "a b cd"),
            ("<ul><li>one<li>two<ol><li>x</li><li>y</li></ol></ul>z", "- one\n- two\n  1. x\n  2. y\n\nz"),
            ("<ol start=3><li>c</ol>", "3. c"),
            ("<pre>a  b\n  c</pre>d", "a  b\n  c\n\nd"),
            ("<pre>100\t200</pre>300\t400", "100 200\n\n300 400"),
            ("<pre> <br> <p>a <br>\n \n \nb", "a\n\nb"),
            ("<pre>x          <a href='https://x.test'> \nc</a></pre>", "x\nc (https://x.test)"),
            ("a<script>if (a<b) alert('</p>')</script><style>p{}</style><!-- no -->b", "ab"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th><th>d</th></tr></table>", "a | b\nc | d"),
            ("see <a href='https://x.test/y'>this page</a>.", "see this page (https://x.test/y)."),
            ("<a href=https://x.test/>x.test</a>", "x.test"),
            ("<a href='https://x.test'></a>", "https://x.test"),
            ("<a href='mailto:a@x.test'>write</a> <a href='tel:+1'>+1</a>", "write (a@x.test) +1"),
            ("<a href=' java\nscript:alert(1)'>x</a> <a href='#top'>y</a>", "x y"),
            ("<a href='https://x.test'>one<a href='https://y.test'>two", "one (https://x.test)two (https://y.test)"),
            ("<p>look <a href='https://x.test'>here</a></p><p>now</p>", "look here (https://x.test)\n\nnow"),
            ("a<ul><a href='https://x.test'><tr>b", "a\n\nb (https://x.test)"),
            ("<img alt='a cat' src=x> <img src=y>", "[a cat] [image]"),
            ("<p>unclosed <b>tags", "unclosed tags"),
            ("<a b", ""),
            ("<title>t</title>b", "b"),
            ("a\u{0}\u{7}b", "ab"),
        ];
        for (html, text) in rows {
            assert_eq!(to_text(html), text, "{html}");
        }
    }

    #[test]
    fn hostile_nesting_costs_no_more_than_its_length() {
        for part in ["<a href=https://x.test>", "<ul><li>", "<a", "<div><p>", "&", "<pre>\n", "<a href='"] {
            let html = part.repeat(200_000 / part.len());
            assert!(to_text(&html).len() <= 4 * html.len(), "{part}");
        }
    }

    proptest! {
        #[test]
        fn text_without_markup_keeps_every_word(words in prop::collection::vec("[a-zäß0-9.,]{1,9}", 0..40)) {
            prop_assert_eq!(to_text(&words.join(" \n ")), words.join(" "));
        }

        #[test]
        fn escaped_text_comes_back(text in "[a-z<>&\"']{0,60}") {
            let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            prop_assert_eq!(to_text(&html), text);
        }

        #[test]
        fn lines_never_end_in_blanks_nor_stand_far_apart(
            html in "(<p>|</p>|<pre>|</pre>|<br>|<li>|<ul>|</ul>|<td>|<tr>|<a href=https://x.test>|</a>| {1,12}|\t|\n|[a-c]){0,60}"
        ) {
            let text = to_text(&html);
            prop_assert!(!text.contains("\n\n\n"), "{}", text);
            prop_assert!(!text.contains("  \n") && text.trim_end() == text, "{:?}", text);
        }
    }
}
