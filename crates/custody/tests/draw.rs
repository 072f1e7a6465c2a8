//! The drawing: what it shows, that it is sound XML whatever the names are, and the README's picture.

use std::fs;
use std::path::{Path, PathBuf};

use cohold_custody::{Atom, Limit, Model, ModelBuilder, Needs, Rule, draw, evaluate};

fn read(path: impl AsRef<Path>) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    Model::parse(&fs::read(path).expect("the file is there")).expect("a good file")
}

fn drawn(model: &Model) -> String {
    draw(model, &evaluate(model).expect("a small model"))
}

/// Every element is closed in its turn, every attribute is quoted, every entity is known.
fn assert_sound(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        assert_text(&rest[..start]);
        let end = rest[start..].find('>').expect("a tag ends") + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{svg}");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
        }
        assert!(tag.matches('"').count().is_multiple_of(2) && !tag.contains('<'), "{tag}");
    }
    assert_text(rest);
    assert!(open.is_empty(), "{open:?}");
}

fn assert_text(text: &str) {
    let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
    for (index, _) in text.match_indices('&') {
        assert!(known.iter().any(|entity| text[index + 1..].starts_with(entity)), "{text}");
    }
    assert!(!text.contains('>') && text.chars().all(|c| !c.is_control() || c == '\n'), "{text:?}");
}

/// Written by `cargo xtask picture`, looked at by people.
#[test]
fn the_picture_in_the_readme_is_what_is_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/images/personal.svg");
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(found == drawn(&read("tests/extract/personal.json")), "run `cargo xtask picture` and look at it");
}

#[test]
fn every_pattern_is_drawn_soundly() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files =
        fs::read_dir(folder).expect("the fixtures are there").map(|entry| entry.expect("readable").path());
    let models: Vec<PathBuf> =
        files.filter(|path| !path.to_string_lossy().ends_with(".expected.json")).collect();
    assert!(models.len() > 30);
    for path in models {
        let model = read(&path);
        let svg = drawn(&model);
        assert_sound(&svg);
        assert!(svg.contains("role=\"img\"") && svg.contains("<title id=\"title\">Custody of "));
        // Whoever is in the model stands in it as text.
        for (name, _) in model.atoms().iter().filter(|(_, atom)| !atom.guessable) {
            assert!(svg.contains(&format!("{name}</text>")), "{name} of {}", path.display());
        }
    }
}

#[test]
fn equal_models_give_equal_bytes() {
    let model = read("tests/extract/personal.json");
    let again = Model::parse(&model.to_canonical_json().expect("JSON")).expect("its own file");
    assert_eq!(drawn(&model), drawn(&again));
}

/// Lines without anything of the user's have no disc and are shaded; doubts are dashed.
#[test]
fn shapes_tell_whose_it_is_without_colour() {
    let svg = drawn(&read("tests/fixtures/12-served-code-takes-the-share.json"));
    let groups: Vec<&str> =
        svg.split("<g>").skip(1).map(|part| part.split("</g>").next().expect("an end")).collect();
    let line = |words: &str| {
        let mut lines = groups.iter().filter(|group| group.contains(&format!("<title>{words}")));
        *lines.next().unwrap_or_else(|| panic!("`{words}` in {groups:#?}"))
    };
    let disc = |group: &str| group.contains("r=\"7\"");
    let square = |group: &str| group.contains("width=\"14\" height=\"14\"");
    let dashed = |group: &str| group.contains("stroke-dasharray");
    let shaded = |group: &str| group.contains("#f2f4f6");
    let user = line("ana&#39;s");
    assert!(disc(user) && !square(user) && !dashed(user) && !shaded(user), "{user}");
    let outside =
        groups.iter().find(|group| dashed(group) && square(group)).expect("the provider with a doubt");
    assert!(!disc(outside) && shaded(outside), "{outside}");
}

fn hostile(parties: usize) -> Model {
    let script = "</text><script>alert('&\u{ffff}')</script>";
    let mut builder = ModelBuilder::new(format!("eip155:1:{script}"))
        .entity("<ana>&", "user")
        .entity("a<!--", "provider")
        .atom("&doubt;", Atom::doubt(format!("{script} {}", "保".repeat(400))))
        .atom("<pin/>", Atom::object("<ana>&").guessable())
        .limit("<limit>", Limit { asset: Some(script.to_owned()), ..Limit::default() });
    let names: Vec<String> = (0..parties).map(|index| format!("<g>{index:02}{}", "&".repeat(120))).collect();
    for name in &names {
        builder = builder.atom(name, Atom::party("a<!--"));
    }
    let some = Needs::k(parties as u64 / 2, names);
    let rules =
        [Rule::new("move", some.clone()), Rule::new("move", some).limit("<limit>").after_seconds(1 << 41)];
    rules.into_iter().fold(builder, ModelBuilder::rule).build().expect("names may be like that")
}

#[test]
fn hostile_names_are_text_and_long_lists_end() {
    let model = hostile(12);
    let svg = drawn(&model);
    assert_sound(&svg);
    assert!(!svg.contains("<script") && !svg.contains("<!--"));
    assert!(svg.contains("&lt;script&gt;"));
    // 924 groups of 6; a few are drawn and the others counted.
    assert!(svg.contains("and 916 more, all of them in the JSON"), "{}", svg.len());
    assert!(svg.len() < 400_000, "{}", svg.len());
}

#[test]
fn powers_beyond_the_picture_are_counted() {
    let mut builder = ModelBuilder::new("eip155:1:0x00").entity("ana", "user");
    for index in 0..40 {
        let limit = Limit { amount: Some(index.to_string()), ..Limit::default() };
        builder = builder.limit(format!("l{index:02}"), limit);
    }
    for index in 0..20 {
        builder = builder.atom(format!("p{index:02}"), Atom::party("ana"));
        builder = builder.rule(Rule::new("move", format!("p{index:02}")).limit(format!("l{index:02}")));
    }
    let svg = drawn(&builder.build().expect("a good model"));
    assert_sound(&svg);
    assert!(svg.contains("more powers, all of them in the JSON"));
}
