//! Tables of which one key chooses what the others are.

use proptest::prelude::*;
use twinlens_config::{Flag, Request};

use crate::layers::{refuse, resolve, sets, with_file};
use crate::stand_in::{Cosine, Encoder, Extra, MultiStep, Optim, Plain, ResNet, Schedule, Shape};

fn steps(changes: &[&str]) -> Request {
    Request { preset: Some("steps".to_owned()), ..sets(changes) }
}

fn flag(name: &'static str, key: &'static str, value: &str) -> Flag {
    Flag { name, key, value: value.into() }
}

fn cosine(final_factor: f64, warmup: f64) -> Schedule {
    Schedule { shape: Shape::Cosine(Cosine { final_factor }), warmup }
}

#[test]
fn a_struct_around_a_kind_has_its_own_keys_and_those_of_the_kind() {
    let schedule = resolve(&steps(&["schedule.warmup=3"])).settings.schedule;
    let shape = Shape::MultiStep(MultiStep { milestones: vec![3.0], final_factor: 0.0 });
    assert_eq!(schedule, Schedule { shape, warmup: 3.0 });
    assert_eq!(resolve(&sets(&["schedule.final_factor=0.2"])).settings.schedule, cosine(0.2, 1.0));
}

#[test]
fn a_key_of_another_kind_is_a_mistake_that_names_what_was_chosen() {
    let text =
        "[schedule]\nname = 'cosine'\nmilestones = [1]\nfinal_facter = 0.1\n[encoder]\nname = 'vgg11'\n";
    let (report, clean) = with_file(text, |mut request| {
        request.preset = Some("steps".to_owned());
        request.environment = vec![("TWINLENS_ENCODER__BLOCKS".to_owned(), "3".to_owned())];
        request.sets = vec!["optim.betas=[0.9, 0.99]".to_owned()];
        refuse(&request)
    });
    assert_eq!(report.len(), 4);
    insta::assert_snapshot!(clean(&report.to_string()));
}

#[test]
fn what_is_missing_of_a_kind_names_what_was_chosen() {
    let told =
        refuse(&steps(&["optim={name='adam'}", "optim.name='sgd'", "schedule={name='x'}"])).to_string();
    assert!(told.contains("`schedule.name` is the string \"x\""), "{told}");
    let (told, _) = with_file("optim = {name = 'adam', lr = 0.1}\n", |mut request| {
        // Back to the kind of the defaults: their values hold.
        request.sets = vec!["optim.name=sgd".to_owned()];
        resolve(&request).settings.optim
    });
    assert_eq!(told, Optim::Sgd { lr: 0.2, momentum: 0.9 });
}

#[test]
fn what_lower_layers_said_of_another_kind_is_dropped() {
    // Of the kind of the defaults, the defaults hold; what the preset said of its own kind does not.
    let resolved = resolve(&steps(&["schedule.name=cosine"]));
    assert_eq!(resolved.settings.schedule, cosine(0.1, 1.0));
    assert_eq!(resolved.origin("schedule.warmup"), "built-in");
    assert_eq!(resolved.origin("schedule.name"), "--set");
    // Two files are two layers.
    let (settings, _) = with_file("[encoder]\nname = 'vgg11'\n", |mut request| {
        request.preset = Some("steps".to_owned());
        resolve(&request).settings
    });
    assert_eq!(settings.encoder, Encoder::Vgg11(Plain {}));
}

#[test]
fn kinds_with_the_same_keys_share_their_values() {
    assert_eq!(resolve(&steps(&[])).settings.encoder, Encoder::ResNet50(ResNet { blocks: 4 }));
    let shared = resolve(&steps(&["encoder.name=resnet18"])).settings.encoder;
    assert_eq!(shared, Encoder::ResNet18(ResNet { blocks: 4 }));
    let fresh = resolve(&steps(&["encoder.name=vgg11"])).settings.encoder;
    assert_eq!(fresh, Encoder::Vgg11(Plain {}));
}

#[test]
fn the_command_line_chooses_for_all_that_it_says() {
    // A flag is stronger than an override, but both are of one mind.
    let flags = vec![flag("--schedule", "schedule.name", "multi-step")];
    let request = Request { flags: flags.clone(), ..sets(&["schedule.milestones=[7]"]) };
    let shape = Shape::MultiStep(MultiStep { milestones: vec![7.0], final_factor: 0.0 });
    assert_eq!(resolve(&request).settings.schedule, Schedule { shape, warmup: 0.0 });
    let request = Request { flags, ..sets(&["schedule.milestone=[7]"]) };
    let told = refuse(&request).to_string();
    assert!(told.contains("`schedule.name` is \"multi-step\" (--schedule)"), "{told}");
    assert!(told.contains("did you mean `schedule.milestones`?"), "{told}");
    // The environment is a layer below: what it says of its own choice is dropped.
    let environment = [("NAME", "multi-step"), ("MILESTONES", "[1]")];
    let environment = environment.map(|(key, value)| (format!("TWINLENS_SCHEDULE__{key}"), value.to_owned()));
    let request = Request { environment: environment.into(), ..sets(&["schedule.name=cosine"]) };
    assert_eq!(resolve(&request).settings.schedule, cosine(0.1, 1.0));
}

#[test]
fn an_older_form_is_read_with_one_warning() {
    let text = "schedule = 'multi-step'\n[multi-step]\nmilestones = [5]\n[cosine]\nfinal_factor = 0.9\n";
    let (resolved, _) = with_file(text, resolve_ref);
    // Where kinds were flat, a new one kept what the old one had.
    let shape = Shape::MultiStep(MultiStep { milestones: vec![5.0], final_factor: 0.1 });
    assert_eq!(resolved.settings.schedule, Schedule { shape, warmup: 1.0 });
    let [warning] = &resolved.warnings[..] else { panic!("{:?}", resolved.warnings) };
    assert!(warning.contains("`schedule` is now called `schedule.name`"), "{warning}");
    assert!(warning.contains("`multi-step` is now called `schedule`"), "{warning}");
    // What is where it was is laid over what is below as ever: here a table over a string.
    let (told, _) =
        with_file("schedule = 'cosine'\nextra = {side = 3}\n[multi-step]\nmilestones = []\n", resolve_ref);
    assert_eq!((told.settings.extra, told.warnings.len()), (Extra::Sides { side: 3 }, 1));
    // A key that no kind has is a mistake there too.
    let (told, clean) = with_file("schedule = 'cosine'\n[cosine]\nfactor = 1\n", |request| refuse(&request));
    assert!(clean(&told.to_string()).contains("unknown key `schedule.factor`\n   --> my.toml:3:1"), "{told}");
    // What is said of a kind that was not chosen, is told where nothing else is.
    let resolved = resolve(&sets(&["multi-step.milestones=[1]"]));
    assert_eq!(resolved.settings.schedule, cosine(0.1, 1.0));
    let [warning] = &resolved.warnings[..] else { panic!("{:?}", resolved.warnings) };
    assert!(warning.contains("`multi-step.milestones` means nothing to what was chosen"), "{warning}");
}

fn resolve_ref(request: Request) -> twinlens_config::Resolved<crate::stand_in::Settings> {
    resolve(&request)
}

#[test]
fn what_was_saved_is_read_back() {
    let resolved = resolve(&steps(&["encoder.name=vgg11"]));
    let read = crate::stand_in::SPEC.read("config.toml", &resolved.to_toml()).unwrap();
    assert_eq!(read.table, resolved.table);
    assert!(read.warnings.is_empty());
    let told = crate::stand_in::SPEC.read("config.toml", "epochs = 1\nepoch = 2\n").unwrap_err().to_string();
    assert!(told.contains("config.toml:2:1"), "{told}");
}

proptest! {
    /// On a command line, the order of arguments does not matter.
    #[test]
    fn the_order_of_overrides_does_not_matter(order in Just(vec![0, 1, 2, 3]).prop_shuffle()) {
        let all = ["schedule.name=multi-step", "schedule.milestones=[2]", "encoder.blocks=3", "encoder.name=resnet50"];
        let changes: Vec<&str> = order.iter().map(|&at| all[at]).collect();
        prop_assert_eq!(resolve(&sets(&changes)).settings, resolve(&sets(&all)).settings);
    }
}
