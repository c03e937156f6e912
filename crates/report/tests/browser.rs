//! The interactive map in a real browser, if there is one: `TWINLENS_CHROMIUM`, or Chromium or Chrome on the PATH.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and says when it is skipped"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use twinlens_report::{
    Atlas, AtlasInput, Block, Cell, Colouring, Column, Frame, Page, RgbImage, Section, Sprite, Table,
    TableRow, page_html,
};

/// Images on the map: three groups of ten.
const IMAGES: usize = 30;

/// The red of an image's thumbnail.
fn red(image: usize) -> u8 {
    40 + 7 * image as u8
}

/// Groups in a row on the last layout, one point above the other on the first.
fn page() -> String {
    let group = |image: usize| image / 10;
    let frame = |name: &str, place: &dyn Fn(usize) -> [f32; 2]| Frame {
        name: name.into(),
        points: (0..IMAGES).map(place).collect(),
        neighbours: (0..IMAGES).map(|at| vec![(at + 1) % IMAGES, (at + 11) % IMAGES]).collect(),
    };
    let first = frame("epoch 1", &|at| [0.0, at as f32]);
    let last = frame("epoch 2", &|at| [10.0 * group(at) as f32 + (at % 5) as f32, (at % 10 / 5) as f32]);
    let thumbnail = |at: usize| RgbImage::from_pixel(28, 28, image::Rgb([red(at), 120, 30]));
    let input = AtlasInput {
        title: "Map".into(),
        noun: "test image".into(),
        images: (0..IMAGES).map(|at| 100 + at).collect(),
        names: (0..IMAGES).map(|at| format!("cells/{at}.png")).collect(),
        frames: vec![first, last],
        colourings: vec![
            Colouring {
                name: "label".into(),
                categories: vec!["a".into(), "b, \"c\"".into(), "d".into()],
                values: (0..IMAGES).map(|at| Some(group(at))).collect(),
            },
            Colouring {
                name: "cluster".into(),
                categories: vec!["odd".into(), "even".into()],
                values: (0..IMAGES).map(|at| (at != 0).then_some(usize::from(at % 2 == 0))).collect(),
            },
        ],
        sprite: Sprite::of(&(0..IMAGES).map(thumbnail).collect::<Vec<_>>()).unwrap(),
        ..AtlasInput::default()
    };
    let atlas = Block::Atlas(Box::new(Atlas::new(input).unwrap()));
    page_html(&Page {
        title: "A page".into(),
        sections: vec![Section::new("Map", vec![atlas]), Section::new("Results", vec![wide_table()])],
        ..Page::default()
    })
    .unwrap()
}

/// A table that no phone can hold.
fn wide_table() -> Block {
    let columns = ["Protocol", "b", "c", "d", "e", "f"].map(Column::number).into();
    let cell = |at: usize| Cell::Text(format!("a long text in column {at}"));
    let rows = vec![TableRow::new((0..6).map(cell).collect())];
    Block::Table(Table { name: "wide".into(), columns, rows, ..Table::default() })
}

/// Uses the map as a reader would, and leaves what it saw in the page.
const READER: &str = r#"
const figure = document.querySelector("figure.atlas");
const atlas = figure.atlas;
const find = (selector) => figure.querySelector(selector);
const all = (selector) => [...figure.querySelectorAll(selector)];
const map = find(".atlas-map > canvas");
const send = (type, [x, y], more = {}) => {
  const box = map.getBoundingClientRect();
  const place = { clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true, cancelable: true };
  map.dispatchEvent(new PointerEvent(type, { ...place, pointerType: "mouse", ...more }));
};
const press = (key) => map.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const button = (text) => all("button").find((one) => one.textContent === text);
const pixel = (canvas, x, y) => [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
const card = () => ({
  words: find(".atlas-card").textContent,
  nearest: all(".atlas-card .atlas-chip").map((chip) => chip.title),
  image: find(".atlas-large canvas") && pixel(find(".atlas-large canvas"), 14, 14),
});
const legend = () => all(".atlas-legend button").map((one) => [one.textContent, one.getAttribute("aria-pressed")]);
const lasso = (corners, more) => {
  send("pointerdown", corners[0], more);
  corners.forEach((corner) => send("pointermove", corner, more));
  send("pointerup", corners[corners.length - 1], more);
};
const around = (images) => {
  const places = images.map((at) => atlas.place(at));
  const [xs, ys] = [0, 1].map((axis) => places.map((place) => place[axis]));
  const [left, right, top, bottom] = [Math.min(...xs) - 6, Math.max(...xs) + 6, Math.min(...ys) - 6, Math.max(...ys) + 6];
  return [[left, top], [right, top], [right, bottom], [left, bottom]];
};
const told = {};
const use = async () => {
  const sprite = find(".atlas-sprite");
  if (!sprite.complete) await new Promise((done) => sprite.addEventListener("load", done));
  told.live = figure.classList.contains("is-live") && getComputedStyle(find(".atlas-still")).display === "none";
  const table = document.querySelector('[id="table-wide"] + .wide');
  table.scrollLeft = 1000;
  const [first, last] = ["th", "td:last-child"].map((one) => table.querySelector(`tbody ${one}`).getBoundingClientRect());
  const frame = table.getBoundingClientRect();
  told.table = { scrolls: table.scrollLeft > 0, first: Math.round(first.left - frame.left), wide: first.width > 80, last: Math.abs(frame.right - last.right) < 2 };
  told.contents = [...document.querySelectorAll("nav a")].map((one) => document.querySelector(one.getAttribute("href")).textContent);
  told.fits = document.documentElement.scrollWidth <= window.innerWidth;
  told.legend = legend();
  const ratio = window.devicePixelRatio;
  told.colour = pixel(map, ...atlas.place(12).map((value) => Math.round(value * ratio)));
  send("pointermove", atlas.place(12));
  told.hover = card();
  send("pointermove", [1, 1]);
  told.nowhere = card().words;
  send("pointerdown", atlas.place(3));
  send("pointerup", atlas.place(3));
  send("pointermove", [1, 1]);
  told.pinned = card();
  find(".atlas-card .atlas-chip").click();
  told.followed = card().words;
  press("Escape");
  all(".atlas-legend button")[1].click();
  told.switched = legend();
  send("pointermove", atlas.place(12));
  told.hidden = card().words;
  all(".atlas-legend button")[1].click();
  const [rest, corner] = [atlas.place(12), atlas.place(0)];
  find('[aria-label="zoom in"]').click();
  told.zoomed = Math.hypot(...atlas.place(0).map((value, axis) => value - corner[axis])) > 50;
  map.focus();
  map.dispatchEvent(new WheelEvent("wheel", { deltaY: -300, clientX: 50, clientY: 50, bubbles: true, cancelable: true }));
  told.wheel = atlas.view.zoom > 2;
  const before = atlas.place(12);
  send("pointerdown", [20, 20]);
  send("pointermove", [50, 60]);
  send("pointerup", [50, 60]);
  told.dragged = atlas.place(12).map((value, axis) => Math.round(value - before[axis]));
  button("Show all").click();
  told.reset = atlas.place(12).every((value, axis) => value === rest[axis]);
  button("Lasso").click();
  lasso(around([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]));
  told.selected = { csv: atlas.csv(), words: find(".atlas-selection").textContent, shown: all(".atlas-selection .atlas-chip").length };
  lasso(around([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), { shiftKey: true });
  told.added = atlas.selection.size;
  button("Lasso").click();
  find("select").value = "1";
  find("select").dispatchEvent(new Event("change"));
  told.recoloured = legend();
  told.counts = find(".atlas-selection table").textContent;
  button("Clear").click();
  told.cleared = [atlas.selection.size, find(".atlas-selection").textContent];
  send("pointerdown", atlas.place(0), { pointerType: "touch" });
  send("pointerup", atlas.place(0), { pointerType: "touch" });
  told.tapped = card().words;
  press("ArrowRight");
  told.stepped = card().words;
  press("Enter");
  told.chosen = [...atlas.selection];
  const slider = find('input[type="range"]');
  slider.value = "0";
  slider.dispatchEvent(new Event("input"));
  const places = [0, 10, 29].map((at) => atlas.place(at));
  told.moved = { name: find("output").textContent, upright: places.every((place) => Math.abs(place[0] - places[0][0]) < 0.01), rising: places[0][1] > places[1][1] && places[1][1] > places[2][1] };
};
use().catch((error) => { told.error = String(error); }).finally(() => {
  const result = document.createElement("pre");
  result.id = "told";
  result.textContent = JSON.stringify(told);
  document.body.append(result);
});
"#;

/// The browser to use, if there is one.
fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TWINLENS_CHROMIUM").filter(|path| !path.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

/// What [`READER`] saw in a window of this size.
fn told(browser: &Path, size: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let reader = format!("<script>//<![CDATA[\n{READER}\n//]]></script>\n</body>");
    std::fs::write(&file, page().replace("</body>", &reader)).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        // Without a screen no frames are drawn, so points must go at once to where they would move.
        .args(["--force-prefers-reduced-motion", "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--window-size={size}"))
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be started: {error}", browser.display()));
    let dom = String::from_utf8(output.stdout).unwrap();
    let start = dom.find("<pre id=\"told\">").unwrap_or_else(|| {
        panic!("the page did not finish: {}", String::from_utf8_lossy(&output.stderr));
    });
    let text = &dom[start + "<pre id=\"told\">".len()..];
    let text =
        text[..text.find("</pre>").unwrap()].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

fn near(found: &Value, expected: [u8; 3], within: u64) {
    for (found, expected) in found.as_array().unwrap().iter().zip(expected) {
        assert!(found.as_u64().unwrap().abs_diff(expected.into()) <= within, "{found} is not {expected}");
    }
}

#[test]
fn a_reader_can_hover_select_zoom_recolour_and_move_through_layouts() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no browser; name one in TWINLENS_CHROMIUM, or put chromium on the PATH");
        return;
    };
    let told = told(&browser, "1200,1000");
    assert_eq!(told.get("error"), None, "{told}");
    assert_eq!((&told["live"], &told["fits"]), (&json!(true), &json!(true)), "{told}");
    let legend = json!([["a (10)", "true"], ["b, \"c\" (10)", "true"], ["d (10)", "true"]]);
    assert_eq!(told["legend"], legend);
    // Vermilion, the second colour, a little transparent on white.
    near(&told["colour"], [0xd5, 0x5e, 0x00], 60);
    let hover = &told["hover"];
    let words = hover["words"].as_str().unwrap();
    assert!(words.starts_with("cells/12.pngtest image 112label"), "{words}");
    let nearest = hover["nearest"].as_array().unwrap();
    assert!(nearest[0].as_str().unwrap().starts_with("cells/13.png, test image 113,"), "{nearest:?}");
    assert!(
        nearest[1].as_str().unwrap().starts_with("cells/23.png, test image 123, label: d, cluster: odd"),
        "{nearest:?}"
    );
    near(&hover["image"], [red(12), 120, 30], 8);
    assert!(told["nowhere"].as_str().unwrap().starts_with("Point at an image"), "{told}");
    assert!(told["pinned"]["words"].as_str().unwrap().starts_with("cells/3.pngtest image 103"), "{told}");
    assert!(told["followed"].as_str().unwrap().starts_with("cells/4.pngtest image 104"), "{told}");
    assert_eq!(told["switched"][1], json!(["b, \"c\" (10)", "false"]));
    assert!(told["hidden"].as_str().unwrap().starts_with("Point at an image"), "hidden points are not there");
    assert_eq!([&told["zoomed"], &told["wheel"], &told["reset"]], [true, true, true], "{told}");
    assert_eq!(told["dragged"], json!([30, 40]));
    let csv: String = std::iter::once("index,name,label,cluster\n".to_owned())
        .chain(
            (110..120)
                .map(|at| (at, at - 100, if at % 2 == 0 { "even" } else { "odd" }))
                .map(|(at, name, parity)| format!("{at},cells/{name}.png,\"b, \"\"c\"\"\",{parity}\n")),
        )
        .collect();
    assert_eq!(told["selected"]["csv"].as_str(), Some(csv.as_str()));
    assert!(told["selected"]["words"].as_str().unwrap().starts_with("10 test images selected"), "{told}");
    assert!(told["selected"]["words"].as_str().unwrap().contains("Their namescells/10.png"), "{told}");
    assert_eq!((&told["selected"]["shown"], &told["added"]), (&json!(10), &json!(20)));
    assert_eq!(
        told["recoloured"],
        json!([["odd (15)", "true"], ["even (14)", "true"], ["none (1)", "true"]])
    );
    assert_eq!(told["counts"], "odd10even9none1");
    assert_eq!(told["cleared"], json!([0, ""]));
    assert!(told["tapped"].as_str().unwrap().starts_with("cells/0.pngtest image 100"), "{told}");
    assert!(told["stepped"].as_str().unwrap().starts_with("cells/1.pngtest image 101"), "{told}");
    assert_eq!(told["chosen"], json!([1]));
    assert_eq!(told["moved"], json!({"name": "epoch 1", "upright": true, "rising": true}));
    assert_eq!(told["contents"], json!(["Map", "Results"]));
    assert_eq!(told["table"]["scrolls"], false, "{told}");
    let phone = self::told(&browser, "390,844");
    assert_eq!((phone.get("error"), &phone["fits"]), (None, &json!(true)), "{phone}");
    // A table that scrolls keeps its first column in sight, and its end can be reached.
    assert_eq!(phone["table"], json!({"scrolls": true, "first": 0, "wide": true, "last": true}), "{phone}");
}
