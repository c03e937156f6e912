//! Judging: protocols of the evaluation on made-up features, without a network.

use serde_json::json;
use twinlens_eval::clustering::KMeans;
use twinlens_eval::probe::LogisticRegression;
use twinlens_eval::{Features, Knn, Labelled, Vote};
use twinlens_lab::maps::Layout;
use twinlens_random::{Purpose, Stream};

use super::{BenchArgs, Figures, REPETITIONS, Work, median, repeat, round};
use crate::exit::Outcome;
use crate::terminal::Terminal;

/// A protocol on features.
pub(super) struct Judging {
    name: &'static str,
    what: &'static str,
    protocol: Protocol,
}

/// With the settings that scikit-learn's have by default, or the verb's own where they differ.
enum Protocol {
    /// Majority of the `k` nearest by cosine.
    Knn { k: usize },
    /// K-means with 10 restarts.
    KMeans,
    /// Multinomial logistic regression, C = 1.
    Logistic,
    /// The map of the verb `tsne`.
    Tsne,
}

/// The protocols; those that need no labels of others look at one split.
pub(super) const CASES: &[Judging] = &[
    Judging {
        name: "knn-12000x512-3400-k200",
        what: "200 nearest neighbours by cosine of 3400 rows among 12000, 512 features",
        protocol: Protocol::Knn { k: 200 },
    },
    Judging {
        name: "kmeans-12000x512-k8",
        what: "k-means of 12000 rows in 8 clusters, the best of 10 restarts",
        protocol: Protocol::KMeans,
    },
    Judging {
        name: "logistic-12000x512-8",
        what: "logistic regression of 12000 rows, 8 classes, C = 1",
        protocol: Protocol::Logistic,
    },
    Judging { name: "tsne-3400x512", what: "t-SNE map of 3400 rows", protocol: Protocol::Tsne },
];

/// Extent of the features.
struct Shape {
    train: usize,
    test: usize,
    dim: usize,
    classes: usize,
}

/// Those in the names of the cases.
const SHAPE: Shape = Shape { train: 12_000, test: 3_400, dim: 512, classes: 8 };

/// Spread of the centres of classes, relative to that of rows about them: some rows are classified wrongly.
const SEPARATION: f64 = 0.15;

impl Work for Judging {
    fn name(&self) -> &str {
        self.name
    }

    fn what(&self) -> String {
        self.what.to_owned()
    }

    fn time(&self, args: &BenchArgs, _: &Terminal) -> Outcome<Figures> {
        let [train, test] = splits(&SHAPE)?;
        let seconds = repeat(1, args.repetitions(REPETITIONS), || {
            std::hint::black_box(self.protocol.run(&train, &test)?);
            Ok(())
        })?;
        let best = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let seconds = median(seconds);
        let document = json!({ "seconds": round(seconds, 3), "best_s": round(best, 3) });
        Ok(Figures::new(document, format!("{seconds:.3} s, the best of them {best:.3} s")))
    }
}

impl Protocol {
    /// Does it; one number of what comes out.
    fn run(&self, train: &Labelled, test: &Labelled) -> Outcome<f64> {
        Ok(match self {
            Protocol::Knn { k } => {
                let knn = Knn { k: vec![*k], votes: vec![Vote::Majority], ..Knn::default() };
                let verdicts = knn.run(train, &[("test", test)])?;
                verdicts[0].outcome.splits[0].scores.accuracy()
            }
            Protocol::KMeans => {
                let settings = KMeans { k: train.classes().len(), restarts: 10, ..KMeans::default() };
                settings.run(train.features())?.inertia
            }
            Protocol::Logistic => {
                let settings = LogisticRegression { c: 1.0, ..LogisticRegression::default() };
                settings.fit(train)?.objective
            }
            Protocol::Tsne => {
                let points = Layout::usual(test.labels().len()).run(test.features(), None)?;
                points.iter().map(|[x, y]| f64::from(x.hypot(*y))).fold(0.0, f64::max)
            }
        })
    }
}

/// Training and test rows: Gaussian noise about one centre for each class.
fn splits(shape: &Shape) -> Outcome<[Labelled; 2]> {
    let &Shape { train, test, dim, classes } = shape;
    let mut stream = Stream::new(0, Purpose::Evaluation, [0; 3]);
    let centres: Vec<f64> = (0..classes * dim).map(|_| SEPARATION * stream.normal()).collect();
    let mut split = |rows: usize| {
        let labels: Vec<usize> = (0..rows).map(|_| stream.below(classes)).collect();
        let means = labels.iter().flat_map(|&label| &centres[label * dim..][..dim]);
        let values = means.map(|mean| (mean + stream.normal()) as f32).collect();
        let names = (0..classes).map(|class| class.to_string()).collect();
        Labelled::new(Features::new(rows, dim, values)?, labels, names)
    };
    Ok([split(train)?, split(test)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: Shape = Shape { train: 150, test: 60, dim: 40, classes: 3 };

    fn run(protocol: &Protocol) -> f64 {
        let [train, test] = splits(&TINY).unwrap();
        protocol.run(&train, &test).unwrap()
    }

    #[test]
    fn rows_lie_about_the_centres_of_their_classes() {
        let [train, test] = splits(&TINY).unwrap();
        assert_eq!((train.features().rows(), test.features().rows(), test.features().dim()), (150, 60, 40));
        assert!(train.absent_classes().is_empty());
        let squares: f64 = train.features().values().iter().map(|&value| f64::from(value).powi(2)).sum();
        let variance = squares / (150.0 * 40.0);
        assert!((0.95..1.12).contains(&variance), "1 + 0.15^2, measured {variance}");
    }

    #[test]
    fn neighbours_know_more_than_chance_and_less_than_everything() {
        let accuracy = run(&Protocol::Knn { k: 20 });
        assert!((0.4..1.0).contains(&accuracy), "{accuracy}");
    }

    #[test]
    fn clusters_lie_nearer_to_their_rows_than_one_centre_does() {
        let [train, _] = splits(&TINY).unwrap();
        let one = KMeans { k: 1, ..KMeans::default() }.run(train.features()).unwrap().inertia;
        let three = run(&Protocol::KMeans);
        assert!(three < 0.99 * one && three > 0.5 * one, "{three} {one}");
    }

    #[test]
    fn logistic_regression_gets_below_the_loss_of_knowing_nothing() {
        let objective = run(&Protocol::Logistic);
        assert!(objective < 0.5 * 150.0 * 3f64.ln(), "{objective}");
    }

    #[test]
    fn maps_unfold_from_their_tiny_start() {
        let farthest = run(&Protocol::Tsne);
        assert!(farthest > 1.0 && farthest.is_finite(), "{farthest}");
    }
}
