use proptest::prelude::*;
use twinlens_random::{Purpose, Stream};

use super::*;
use crate::testing::on_threads;

fn noise(classes: usize, values: usize, seeds: usize, seed: u64) -> Recalls {
    let mut stream = Stream::new(seed, Purpose::Evaluation, [77, 0, 0]);
    let class = |_| (0..values * seeds).map(|_| 0.7 + 0.05 * stream.normal()).collect();
    let classes = (0..classes).map(class).collect();
    Recalls::new((0..values).map(|v| v as f64 / values as f64).collect(), seeds, classes).unwrap()
}

fn with_classes(recalls: &Recalls, classes: Vec<Vec<f64>>) -> Recalls {
    Recalls::new(recalls.values().to_vec(), recalls.seeds(), classes).unwrap()
}

fn settings(count: usize) -> OpposedSettings {
    let permutations = Permutations { count, ..Permutations::default() };
    OpposedSettings { permutations, ..OpposedSettings::default() }
}

fn opposed(recalls: &Recalls, settings: &OpposedSettings) -> Opposed {
    match opposed_classes(recalls, settings).unwrap() {
        Tested::Tested(found) => found,
        Tested::NotTested(reason) => panic!("not tested: {reason}"),
    }
}

/// Four classes by hand: 0 and 1 mirror each other, 2 never changes, 3 rises and falls without them.
#[test]
fn a_table_by_hand() {
    let up = vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
    let down = up.iter().map(|recall| 1.0 - recall).collect();
    let hill = vec![0.4, 0.5, 0.6, 0.6, 0.5, 0.4];
    let recalls =
        Recalls::new((0..6).map(f64::from).collect(), 1, vec![up, down, vec![0.3; 6], hill]).unwrap();
    let found = opposed(&recalls, &OpposedSettings { q: Some(0.05), ..settings(500) });
    assert_eq!((found.classes, found.points, &found.constant[..]), (4, 6, &[2][..]));
    assert_eq!(found.pairs.len(), 1);
    assert_eq!(found.pairs[0].classes, [0, 1]);
    assert!(found.pairs[0].correlations.iter().all(|found| found.coefficient < -1.0 + 1e-12));
    assert_eq!((&found.has_partner[..], found.ratio), (&[true, true, false, false][..], 0.5));
    // Three pairs vary. Kendall's exact p of a mirrored pair is 2 / 720, Spearman's and Pearson's are 0.
    let controlled = found.controlled.unwrap();
    assert_eq!((&controlled.pairs[..], controlled.ratio), (&[0][..], 0.5));
    assert!(controlled.adjusted[0] < 1e-12);
    assert!(found.chance.mean < 0.5 && found.chance.largest <= 0.75 && found.chance.smallest == 0.0);
}

#[test]
fn too_little_is_not_tested_and_wrong_settings_are_refused() {
    let reason = |recalls: &Recalls| match opposed_classes(recalls, &settings(100)).unwrap() {
        Tested::NotTested(reason) => reason,
        Tested::Tested(found) => panic!("{found:?}"),
    };
    assert_eq!(reason(&noise(5, 3, 4, 1)), "values of the parameter: at least 4 are needed, got 3");
    assert_eq!(reason(&noise(1, 9, 1, 1)), "classes whose recall changes: at least 2 are needed, got 1");
    let flat =
        with_classes(&noise(2, 5, 1, 1), vec![vec![0.1; 5], vec![0.3; 5], vec![0.1, 0.2, 0.3, 0.1, 0.1]]);
    assert!(reason(&flat).ends_with("got 1"));
    let refused = |change: fn(&mut OpposedSettings)| {
        let mut settings = settings(100);
        change(&mut settings);
        opposed_classes(&noise(4, 6, 1, 1), &settings).unwrap_err().to_string()
    };
    assert!(refused(|settings| settings.rule.coefficients.clear()).starts_with("coefficients has no values"));
    assert!(refused(|settings| settings.rule.below = 0.3).starts_with("below = 0.3"));
    assert!(refused(|settings| settings.rule.p = 0.0).starts_with("p = 0"));
    assert!(refused(|settings| settings.q = Some(1.0)).starts_with("q = 1"));
    assert!(refused(|settings| settings.permutations.count = 99).starts_with("permutations = 99"));
}

/// Eight classes that rise and eight that fall are found among twenty, and many pairs of them under control of false discoveries.
#[test]
fn opposed_classes_are_found() {
    let worlds = 40;
    let (mut beyond, mut more_pairs, mut pairs, mut kept) = (0, 0, 0, 0);
    for world in 0..worlds {
        let recalls = noise(20, 10, 1, 1000 + world);
        let tilted = |(class, recalls): (usize, &Vec<f64>)| {
            let tilt = [0.05, 0.05, -0.05, -0.05, 0.0][class % 5];
            recalls.iter().enumerate().map(|(v, recall)| recall + tilt * (v as f64 - 4.5)).collect()
        };
        let recalls = with_classes(&recalls, recalls.classes().iter().enumerate().map(tilted).collect());
        let found = opposed(&recalls, &OpposedSettings { q: Some(0.05), ..settings(199) });
        let side = |class: usize| [1, 1, -1, -1, 0][class % 5];
        let true_pair = |pair: &OpposedPair| side(pair.classes[0]) * side(pair.classes[1]) == -1;
        pairs += found.pairs.iter().filter(|pair| true_pair(pair)).count();
        let controlled = found.controlled.unwrap();
        kept += controlled.pairs.iter().filter(|&&at| true_pair(&found.pairs[at])).count();
        beyond += usize::from(found.chance.p_value <= 0.05);
        more_pairs += usize::from(found.pairs_by_chance.p_value <= 0.05);
    }
    let of = (worlds * 64) as f64;
    println!(
        "power: ratio {beyond}, pairs {more_pairs} of {worlds} worlds, {} of pairs, {} under control",
        pairs as f64 / of,
        kept as f64 / of
    );
    assert!(beyond as f64 >= 0.9 * worlds as f64, "{beyond} of {worlds} worlds were more than chance");
    assert_eq!(more_pairs, worlds as usize, "their pairs were");
    assert!(pairs as f64 / of > 0.9, "{pairs} of {of} pairs");
    assert!(kept as f64 / of > 0.5 && kept <= pairs, "{kept} of {of} pairs");
}

/// In 1000 worlds of independent classes the ratio lies within the interval of chance as often as the interval says, and the p-values
/// are what p-values must be.
#[test]
fn the_chance_level_holds_in_worlds_of_chance() {
    // Twelve values with two seeds, and an effect of the value on each class that its seeds share: classes are independent, runs are not.
    let world = |world: u64| {
        let recalls = noise(24, 12, 2, world);
        let mut stream = Stream::new(world, Purpose::Evaluation, [78, 0, 0]);
        let mut shared = |runs: &[f64]| {
            let effect = 0.05 * stream.normal();
            runs.iter().map(|run| run + effect).collect::<Vec<f64>>()
        };
        let classes =
            recalls.classes().iter().map(|class| class.chunks(2).flat_map(&mut shared).collect()).collect();
        let mut settings = settings(199);
        settings.permutations.seed = world;
        let found = opposed(&with_classes(&recalls, classes), &settings);
        let within =
            |chance: &Chance, number: f64| (chance.interval[0]..=chance.interval[1]).contains(&number);
        [
            within(&found.chance, found.ratio),
            within(&found.pairs_by_chance, found.pairs.len() as f64),
            found.chance.p_value <= 0.05,
            found.chance.mid_p <= 0.05,
        ]
    };
    let worlds: Vec<[bool; 4]> = (0..1000).into_par_iter().map(world).collect();
    let share = |at: usize| worlds.iter().filter(|world| world[at]).count() as f64 / worlds.len() as f64;
    let [inside, pairs_inside, p, mid_p] = [0, 1, 2, 3].map(share);
    println!("inside {inside}, pairs inside {pairs_inside}, p <= 0.05 {p}, mid-p <= 0.05 {mid_p}");
    assert!((0.93..=0.97).contains(&pairs_inside), "{pairs_inside} of counts of pairs inside");
    assert!((0.93..=0.97).contains(&inside), "{inside} inside");
    assert!((0.02..=0.065).contains(&p), "{p} with p <= 0.05");
    assert!((0.035..=0.07).contains(&mid_p), "{mid_p} with mid-p <= 0.05");
}

/// The unit that is exchangeable matters: where seeds share what a value does, permuting runs one by one gives too low a chance level.
#[test]
fn runs_of_one_value_move_together() {
    let shared = noise(30, 12, 1, 5);
    let twice =
        |class: &Vec<f64>| class.iter().flat_map(|&recall| [recall, recall + 1e-6]).collect::<Vec<f64>>();
    let runs = with_classes_of(&shared, shared.classes().iter().map(twice).collect(), 2);
    let apart = Recalls::new((0..24).map(f64::from).collect(), 1, runs.classes().to_vec()).unwrap();
    let (together, apart) = (opposed(&runs, &settings(400)), opposed(&apart, &settings(400)));
    assert_eq!(together.ratio, apart.ratio);
    let [low, high] = together.chance.interval;
    assert!(low <= together.ratio && together.ratio <= high, "{together:?}");
    assert!(apart.chance.interval[1] < together.ratio, "{:?}", apart.chance);
}

fn with_classes_of(recalls: &Recalls, classes: Vec<Vec<f64>>, seeds: usize) -> Recalls {
    Recalls::new(recalls.values().to_vec(), seeds, classes).unwrap()
}

#[test]
fn seeds_decide_and_threads_do_not() {
    let recalls = noise(25, 8, 2, 3);
    let run = |seed| {
        let mut settings = settings(150);
        settings.permutations.seed = seed;
        opposed(&recalls, &OpposedSettings { q: Some(0.1), ..settings })
    };
    assert_eq!(on_threads(1, || run(1)), on_threads(3, || run(1)));
    assert_ne!(run(1).chance, run(2).chance);
}

/// Recalls in steps, as those of ten images a class are: ties, and now and then a constant class.
fn stepped() -> impl Strategy<Value = Recalls> {
    (2usize..9, 4usize..12, 1usize..4).prop_flat_map(|(classes, values, seeds)| {
        let class = prop::collection::vec((0u8..=10).prop_map(|step| f64::from(step) / 10.0), values * seeds);
        prop::collection::vec(class, classes).prop_map(move |classes| {
            Recalls::new((0..values).map(|v| v as f64).collect(), seeds, classes).unwrap()
        })
    })
}

proptest! {
    /// The count behind the chance level is the rule itself, for every choice of coefficients, with and without ties.
    #[test]
    fn the_fast_count_is_the_rule(recalls in stepped(), seed: u64, tied: bool, choice in 1usize..8, below in -0.9f64..=0.0) {
        let plain = noise(recalls.classes().len(), recalls.values().len(), recalls.seeds(), seed);
        let recalls = if tied { recalls } else { plain };
        let coefficients = (0..3).filter(|at| choice >> at & 1 == 1).map(|at| Coefficient::ALL[at]).collect();
        let rule = OpposedRule { coefficients, below, p: 0.2 };
        let counter = Counter::new(&recalls, &rule);
        if let Tested::Tested(found) = opposed_classes(&recalls, &OpposedSettings { rule, ..settings(100) }).unwrap() {
            let counts = counter.as_it_is();
            prop_assert_eq!(counts.partners, found.has_partner.iter().filter(|has| **has).count());
            prop_assert_eq!(counts.pairs, found.pairs.len());
            prop_assert!((0.0..=1.0).contains(&found.ratio) && found.chance.p_value > 0.0);
            prop_assert_eq!(found.constant.len() + counter.varying().len(), found.classes);
        }
    }

    #[test]
    fn permuting_classes_permutes_the_pairs(recalls in stepped(), seed: u64) {
        let order = Stream::new(seed, Purpose::Evaluation, [79, 0, 0]).permutation(recalls.classes().len());
        let moved = with_classes(&recalls, order.iter().map(|&class| recalls.classes()[class].clone()).collect());
        let tested = |recalls: &Recalls| opposed_classes(recalls, &settings(100)).unwrap();
        let (plain, moved) = (tested(&recalls), tested(&moved));
        prop_assert_eq!(plain.tested().is_some(), moved.tested().is_some());
        if let (Tested::Tested(plain), Tested::Tested(moved)) = (plain, moved) {
            prop_assert_eq!(plain.ratio, moved.ratio);
            let mut back: Vec<[usize; 2]> = moved.pairs.iter().map(|pair| pair.classes.map(|class| order[class])).collect();
            back.iter_mut().for_each(|pair| pair.sort_unstable());
            back.sort_unstable();
            prop_assert_eq!(back, plain.pairs.iter().map(|pair| pair.classes).collect::<Vec<_>>());
        }
    }

    /// Six points or more: of fewer Kendall's p cannot be that small. Any falling map of a class opposes it by ranks.
    #[test]
    fn a_mirrored_class_is_opposed(seed: u64, values in 6usize..20) {
        let recalls = noise(3, values, 1, seed);
        let mirrored: Vec<f64> = recalls.classes()[0].iter().map(|recall| 1.0 - recall).collect();
        let mut classes = recalls.classes().to_vec();
        classes.push(mirrored);
        for coefficient in Coefficient::ALL {
            let rule = OpposedRule { coefficients: vec![coefficient], ..OpposedRule::default() };
            let found = opposed(&with_classes(&recalls, classes.clone()), &OpposedSettings { rule, ..settings(100) });
            prop_assert!(found.pairs.iter().any(|pair| pair.classes == [0, 3]));
        }
    }

    #[test]
    fn monotone_maps_keep_what_ranks_say(recalls in stepped()) {
        let rule = OpposedRule { coefficients: vec![Coefficient::Kendall, Coefficient::Spearman], ..OpposedRule::default() };
        let settings = OpposedSettings { rule, ..settings(100) };
        let map = |(class, recalls): (usize, &Vec<f64>)| {
            recalls.iter().map(|recall| ((1.0 + class as f64) * recall).exp()).collect()
        };
        let mapped = with_classes(&recalls, recalls.classes().iter().enumerate().map(map).collect());
        let tested = |recalls: &Recalls| opposed_classes(recalls, &settings).unwrap();
        prop_assert_eq!(tested(&recalls), tested(&mapped));
    }
}
