use std::collections::BTreeMap;

use proptest::prelude::*;
use twinlens_config::{Flag, Report, Request, Resolved, diff};

use crate::stand_in::{Operation, Optim, SPEC, Settings, Stem};

pub(crate) fn sets(sets: &[&str]) -> Request {
    Request { sets: sets.iter().map(|set| (*set).to_owned()).collect(), ..Request::default() }
}

pub(crate) fn resolve(request: &Request) -> Resolved<Settings> {
    SPEC.resolve(request).unwrap_or_else(|report| panic!("{report}"))
}

pub(crate) fn refuse(request: &Request) -> Report {
    SPEC.resolve(request).expect_err("the configuration has mistakes")
}

/// A file in a fresh folder; reports name it `my.toml`.
pub(crate) fn with_file<R>(text: &str, run: impl Fn(Request) -> R) -> (R, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    std::fs::write(&path, text).unwrap();
    let result = run(Request { files: vec![path.clone()], ..Request::default() });
    (result, move |text: &str| text.replace(&path.display().to_string(), "my.toml"))
}

fn refused_file(text: &str) -> String {
    let (report, clean) = with_file(text, |request| refuse(&request).to_string());
    clean(&report)
}

#[test]
fn without_layers_the_defaults_hold() {
    let resolved = resolve(&Request::default());
    assert_eq!(resolved.settings.epochs, 100);
    assert_eq!(resolved.origin("epochs"), "built-in");
    assert_eq!(resolved.origin("optim.lr"), "built-in");
}

#[test]
fn the_shown_configuration_is_a_file_that_gives_the_same_settings() {
    let shown = resolve(&Request { preset: Some("medmnist".to_owned()), ..sets(&["limit=64"]) });
    let (again, _) = with_file(&shown.to_toml_with_origins(), |request| resolve(&request));
    assert_eq!(again.settings, shown.settings);
    assert_eq!(again.to_toml(), shown.to_toml());
    insta::assert_snapshot!(shown.to_toml_with_origins());
}

#[test]
fn every_layer_names_itself_as_origin() {
    let (resolved, clean) = with_file("epochs = 3\n\n[optim]\nmomentum = 0.5\n", |mut request| {
        request.preset = Some("medmnist".to_owned());
        request.environment = vec![("TWINLENS_LIMIT".to_owned(), "7".to_owned())];
        request.sets = vec!["deterministic=true".to_owned()];
        request.flags = vec![Flag { name: "--method", key: "method", value: "simclr".into() }];
        resolve(&request)
    });
    let origin = |key: &str| clean(&resolved.origin(key));
    assert_eq!(origin("stem"), "preset medmnist:1");
    assert_eq!(origin("epochs"), "my.toml:1");
    assert_eq!(origin("optim.momentum"), "my.toml:4");
    assert_eq!(origin("limit"), "TWINLENS_LIMIT");
    assert_eq!(origin("deterministic"), "--set");
    assert_eq!(origin("method"), "--method");
    assert_eq!(origin("policy"), "built-in");
    assert_eq!(resolved.settings.method, "simclr");
}

#[test]
fn values_are_typed_by_toml_then_taken_as_strings() {
    let resolved = resolve(&sets(&[
        "stem=cifar",
        "deterministic=true",
        "limit=1_000",
        "optim.lr=1e-3",
        "data=a=b.npz",
        "method='quoted'",
    ]));
    assert_eq!(resolved.settings.stem, Stem::Cifar);
    assert!(resolved.settings.deterministic);
    assert_eq!(resolved.settings.limit, Some(1000));
    assert_eq!(resolved.settings.data, "a=b.npz");
    assert_eq!(resolved.settings.method, "quoted");
    assert_eq!(resolved.settings.optim, Optim::Sgd { lr: 1e-3, momentum: 0.9 });
    // Where only a string will do, what TOML reads as something else is one.
    assert_eq!(resolve(&sets(&["data=2024"])).settings.data, "2024");
    assert_eq!(resolve(&sets(&["data=true"])).settings.data, "true");
    assert_eq!(resolve(&sets(&["data="])).settings.data, "");
    // An integer is a number; hexadecimal is TOML.
    assert_eq!(resolve(&sets(&["optim.lr=1"])).settings.optim, Optim::Sgd { lr: 1.0, momentum: 0.9 });
    assert_eq!(resolve(&sets(&["limit=0x10"])).settings.limit, Some(16));
}

#[test]
fn an_underscore_may_stand_for_a_hyphen() {
    let environment = vec![("TWINLENS_METHODS__BARLOW_TWINS__LAMBDA".to_owned(), "0.02".to_owned())];
    let resolved = resolve(&Request { environment, ..Request::default() });
    assert_eq!(resolved.settings.methods.barlow_twins.lambda, 0.02);
    assert_eq!(
        resolve(&sets(&["methods.barlow-twins.lambda=0.1"])).settings.methods.barlow_twins.lambda,
        0.1
    );
}

#[test]
fn nothing_smuggles_a_second_key_in() {
    let resolved = resolve(&sets(&["data=1\nepochs = 5"]));
    assert_eq!(resolved.settings.epochs, 100);
    assert_eq!(resolved.settings.data, "1\nepochs = 5");
}

#[test]
fn elements_are_addressed_by_index_and_by_operation() {
    for key in ["views.0.color_jitter.hue", "views.0.operations.color_jitter.hue", "views.0.operations.1.hue"]
    {
        let resolved = resolve(&sets(&[&format!("{key}=0.3")]));
        assert_eq!(resolved.settings.views[0].operations[1], Operation::ColorJitter { hue: 0.3, p: 0.8 });
        assert_eq!(resolved.settings.views[0].operations[0], Operation::HorizontalFlip);
        assert_eq!(resolved.origin("views.0.operations.1.hue"), "--set");
        assert_eq!(resolved.origin("views.0.operations.1.p"), "built-in");
    }
    let environment = vec![("TWINLENS_VIEWS__0__COLOR_JITTER__HUE".to_owned(), "0.4".to_owned())];
    let resolved = resolve(&Request { environment, ..Request::default() });
    assert_eq!(resolved.settings.views[0].operations[1], Operation::ColorJitter { hue: 0.4, p: 0.8 });
    let resolved = resolve(&sets(&["views.1.gaussian_blur.sigma.0=0.5"]));
    assert_eq!(resolved.settings.views[1].operations[0], Operation::GaussianBlur { sigma: [0.5, 2.0] });
    assert_eq!(resolved.origin("views.1.operations.0.sigma"), "built-in, --set");
}

#[test]
fn addresses_that_lead_nowhere_are_all_told() {
    let report = refuse(&sets(&[
        "views.2.color_jitter.hue=0.3",
        "views.0.color_jiter.hue=0.3",
        "views.0.operations.colour_jitter.hue=0.3",
        "views.1.operations.4.sigma=[1, 2]",
        "epochs.first=3",
        "views.0.operations.0.p=0.5",
    ]));
    assert_eq!(report.len(), 6);
    insta::assert_snapshot!(report.to_string());
}

#[test]
fn another_kind_starts_from_its_own_defaults() {
    let resolved = resolve(&sets(&["optim.name=adam"]));
    assert_eq!(resolved.settings.optim, Optim::Adam { lr: 1e-3, betas: [0.9, 0.999] });
    assert_eq!(resolved.origin("optim.lr"), "built-in");
    let resolved = resolve(&sets(&["optim.name=adam", "optim.lr=0.01"]));
    assert_eq!(resolved.settings.optim, Optim::Adam { lr: 0.01, betas: [0.9, 0.999] });
    // Naming the kind that it already has changes nothing.
    let resolved = resolve(&sets(&["optim={name='sgd', lr=0.4}"]));
    assert_eq!(resolved.settings.optim, Optim::Sgd { lr: 0.4, momentum: 0.9 });
}

#[test]
fn a_choice_replaces_the_details_of_layers_below() {
    let blur = |sets: &[&str]| {
        let sets = sets.iter().map(|set| (*set).to_owned()).collect();
        resolve(&Request { preset: Some("blur".to_owned()), sets, ..Request::default() }).settings.views
    };
    assert_eq!(blur(&[])[0].operations, [Operation::GaussianBlur { sigma: [1.0, 1.0] }]);
    assert_eq!(blur(&["policy=plain"])[0].operations, [Operation::HorizontalFlip]);
    // In either order, an edit is made to the views of the chosen policy.
    for sets in
        [["policy=simclr", "views.0.color_jitter.hue=0.3"], ["views.0.color_jitter.hue=0.3", "policy=simclr"]]
    {
        assert_eq!(blur(&sets)[0].operations[1], Operation::ColorJitter { hue: 0.3, p: 0.8 });
    }
}

#[test]
fn every_mistake_of_every_layer_is_in_one_report() {
    let text = "epochs = \"ten\"\nstem = \"cifer\"\n\n[optim]\nlrr = 0.3\nmomentum = 1.5\n";
    let (report, clean) = with_file(text, |mut request| {
        request.environment =
            vec![("TWINLENS_LIMTI".to_owned(), "7".to_owned()), ("HOME".to_owned(), "/root".to_owned())];
        request.sets = vec!["lr=0.1".to_owned(), "deterministic=True".to_owned(), "epochs".to_owned()];
        request.flags = vec![Flag { name: "--limit", key: "limit", value: (-3).into() }];
        request.preset = Some("medmnits".to_owned());
        refuse(&request)
    });
    assert_eq!(report.len(), 10);
    insta::assert_snapshot!(clean(&report.to_string()));
}

#[test]
fn broken_toml_shows_the_line() {
    insta::assert_snapshot!(refused_file("epochs = 3\nstem = cifar\nlimit = \n"));
    insta::assert_snapshot!(refused_file("epochs = 3\nepochs = 4\n"));
}

#[test]
fn unit_variants_and_inner_tables_are_closed_too() {
    let text = "[[views]]\noperations = [{op = 'horizontal_flip', p = 0.5}, {op = 'color_jitter', hue = 0.1}, \
                {op = 'color_jiter', hue = 0.1}]\nname = 'x'\n";
    insta::assert_snapshot!(refused_file(text));
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let report = refuse(&sets(&["epochs=4294967296", "limit=-1", "optim.momentum=-0.1", "epochs=3.0"]));
    assert_eq!(report.len(), 4);
    assert!(refuse(&sets(&["epochs=99999999999999999999"])).to_string().contains("expected: a whole number"));
}

#[test]
fn checks_beyond_types_come_with_their_place() {
    let (report, clean) = with_file("epochs = 0\nlimit = 0\n", |request| refuse(&request).to_string());
    insta::assert_snapshot!(clean(&report));
}

#[test]
fn a_missing_file_is_told_with_the_rest() {
    let request = Request { files: vec!["no/such.toml".into()], ..sets(&["epoch=3"]) };
    let report = refuse(&request).to_string();
    assert!(report.contains("cannot read `no/such.toml`"), "{report}");
    assert!(report.contains("did you mean `epochs`?"), "{report}");
}

#[test]
fn old_names_still_work_with_a_warning() {
    let (resolved, _) = with_file("num_epochs = 5\n", |mut request| {
        request.sets = vec!["optim.learning_rate=0.7".to_owned()];
        resolve(&request)
    });
    assert_eq!(resolved.settings.epochs, 5);
    assert_eq!(resolved.settings.optim, Optim::Sgd { lr: 0.7, momentum: 0.9 });
    let [warning] = &resolved.warnings[..] else { panic!("{:?}", resolved.warnings) };
    assert!(warning.contains("`num_epochs` is now called `epochs`"), "{warning}");
    assert!(warning.contains("my.toml, --set"), "{warning}");
    assert!(warning.contains("`optim.learning_rate` is now called `optim.lr`"), "{warning}");
}

#[test]
fn a_description_in_a_file_is_no_setting() {
    let (resolved, _) = with_file("epochs = 2\n[about]\nsummary = 'mine'\n", |request| resolve(&request));
    assert_eq!(resolved.settings.epochs, 2);
}

#[test]
fn differences_name_the_key_and_both_values() {
    let before = resolve(&Request::default()).table;
    let after = resolve(&sets(&["epochs=3", "limit=5", "views.0.color_jitter.hue=0.1"])).table;
    let changes: Vec<String> = diff(&before, &after).iter().map(ToString::to_string).collect();
    let expected = ["epochs: 100 -> 3", "views.0.operations.1.hue: 0.2 -> 0.1", "limit: not set -> 5"];
    assert_eq!(changes, expected);
    assert!(diff(&after, &after).is_empty());
}

proptest! {
    /// Whatever layers speak of a key, the strongest is heard, and it is named as the origin.
    #[test]
    fn the_strongest_layer_wins(layers in proptest::collection::vec((0usize..3, 0usize..4, 1u32..1000), 0..12)) {
        const KEYS: [&str; 3] = ["epochs", "limit", "optim.lr"];
        const FLAGS: [&str; 3] = ["--epochs", "--limit", "--lr"];
        let folder = tempfile::tempdir().unwrap();
        let mut request = Request::default();
        let mut strongest = BTreeMap::new();
        for (number, (key, rank, value)) in layers.iter().copied().enumerate() {
            let name = KEYS[key];
            match rank {
                0 => {
                    let path = folder.path().join(format!("{number}.toml"));
                    std::fs::write(&path, format!("{name} = {value}\n")).unwrap();
                    request.files.push(path);
                }
                1 => {
                    let variable = format!("TWINLENS_{}", name.to_uppercase().replace('.', "__"));
                    request.environment.retain(|(other, _)| *other != variable);
                    request.environment.push((variable, value.to_string()));
                }
                2 => request.sets.push(format!("{name}={value}")),
                _ => {
                    let value = i64::from(value).into();
                    request.flags.push(Flag { name: FLAGS[key], key: KEYS[key], value });
                }
            }
            let heard = strongest.entry(name).or_insert((rank, value));
            if rank >= heard.0 {
                *heard = (rank, value);
            }
        }
        let resolved = resolve(&request);
        for (name, (rank, value)) in strongest {
            let got = resolved.values().into_iter().find(|(key, ..)| key == name).map(|(_, got, _)| got);
            let got = got.and_then(|got| got.as_float().or(got.as_integer().map(|n| n as f64)));
            prop_assert_eq!(got, Some(f64::from(value)), "{} from rank {}", name, rank);
        }
    }

    /// No argument, file or variable makes the program panic.
    #[test]
    fn any_text_is_an_answer_or_a_report(text in ".{0,60}", key in "[a-z.0-9_]{0,20}") {
        let _ = SPEC.resolve(&sets(&[&text, &format!("{key}={text}")])).map_err(|report| report.to_string());
        let _ = with_file(&text, |request| SPEC.resolve(&request).map_err(|report| report.to_string()));
    }
}
