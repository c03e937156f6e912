//! What a verdict says, in a sentence.

use twinlens_eval::clustering::Clusters;
use twinlens_eval::health::Health;
use twinlens_eval::retrieval::Retrieval;
use twinlens_eval::statistics::{Bootstrap, Interval};
use twinlens_eval::{Predictions, accuracy};

use crate::protocols::title;
use crate::{Headline, Outcome, Verdict};

/// The verdict in a sentence that a person can read alone: who was judged how, what came out, of how many images, and how
/// sure that is where it is known.
pub(crate) fn sentence(verdict: &Verdict) -> String {
    let found = match &verdict.outcome {
        Outcome::Predictions(found) => of_predictions(found),
        Outcome::Retrieval(found) => of_retrieval(found),
        Outcome::Clusters(found) => of_clusters(found),
        Outcome::Health(found) => of_health(found),
        Outcome::Map(found) => format!("a map of {} images", found.images.len()),
        Outcome::Tags(_) | Outcome::Measured(_) => of_headline(verdict),
    };
    format!("{}, {}: {found}.", title(&verdict.protocol, &verdict.asked), verdict.subject.title())
}

/// An accuracy with its interval: `59.4 % right of 128 test images (95 %: 50.8 to 68.0 %)`.
fn of_predictions(found: &Predictions) -> String {
    let Some(split) = found.splits.last() else { return "nothing was held out".to_owned() };
    let images = images(split.labels.len(), &split.split);
    match accuracy(&[found], &split.split, Bootstrap::default()) {
        Ok(Some(interval)) => format!("{} right of {images} ({})", percent(interval.value), range(&interval)),
        _ => format!("{} right of {images}", percent(split.scores.accuracy())),
    }
}

/// How often the nearest image is right: `recall@1 71.1 % of 128 test images (95 %: 63.0 to 78.9 %), mAP@k 52.0 %`.
fn of_retrieval(found: &Retrieval) -> String {
    let Some(split) = found.splits.last() else { return "nothing was held out".to_owned() };
    let images = images(split.samples, &split.split);
    let value = |id: &str| split.measures.get(id).copied().flatten();
    let (Some(recall), Some(precision)) = (value("recall_at_1"), value("map_at_k")) else {
        return format!("nothing to retrieve for {}", part(&split.split));
    };
    let ends = split.intervals.get("recall_at_1").map_or(String::new(), |[low, high]| {
        format!(" ({})", range(&Interval { value: recall, low: *low, high: *high, groups: split.groups }))
    });
    format!("recall@1 {} of {images}{ends}, mAP@k {}", percent(recall), percent(precision))
}

fn of_clusters(found: &Clusters) -> String {
    let silhouette = found.silhouette.map(|value| format!(", silhouette {value:.2}")).unwrap_or_default();
    let agreement = found.agreement.map_or(String::new(), |labels| {
        format!(
            "; with the labels they agree by {:.2} (adjusted mutual information, 0 is chance and 1 all)",
            labels.ami
        )
    });
    format!("{} clusters of {} images{silhouette}{agreement}", found.k, found.samples)
}

fn of_health(found: &Health) -> String {
    format!(
        "effective rank {:.1} of {} and {:.0} % of the full deviation on {} images",
        found.effective_rank,
        found.dim,
        100.0 * found.embedding_std / found.embedding_std_full,
        found.samples
    )
}

/// The number that any other verdict is held to.
fn of_headline(verdict: &Verdict) -> String {
    match verdict.headline() {
        Some(Headline { split, measure, value }) => format!("{measure} {value:.4} on {}", part(&split)),
        None => "nothing was measured".to_owned(),
    }
}

/// `test images`, `validation images`, `all images`.
fn part(split: &str) -> String {
    match split {
        "val" => "validation images".to_owned(),
        "train" => "training images".to_owned(),
        other => format!("{other} images"),
    }
}

/// `128 test images`, `1 validation image`, `40 images` of all.
pub(crate) fn images(count: usize, split: &str) -> String {
    let images = if split == "all" { "images".to_owned() } else { part(split) };
    format!("{count} {}", if count == 1 { images.trim_end_matches('s') } else { &images })
}

/// `59.4 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `95 %: 50.8 to 68.0 %`, and `95 %: 41.5 to 77.0 %, interval over 12 groups` where groups of images were drawn.
pub(crate) fn range(interval: &Interval) -> String {
    let groups = over_groups(interval);
    format!("95 %: {:.1} to {}{groups}", 100.0 * interval.low, percent(interval.high))
}

/// `, interval over 12 groups`; nothing where images were drawn, each by itself.
pub(crate) fn over_groups(interval: &Interval) -> String {
    interval.groups.map_or(String::new(), |count| format!(", interval over {count} groups"))
}

#[cfg(test)]
mod tests {
    use twinlens_eval::Judgement;
    use twinlens_eval::clustering::ClusterProtocol;
    use twinlens_eval::health::HealthProtocol;

    use super::*;
    use crate::{DataRecord, FeaturesKind, SubjectRecord};

    fn told(protocol: &str, judgement: Judgement<Outcome>) -> String {
        let subject = SubjectRecord::of(FeaturesKind::Trained);
        sentence(&Verdict::new(protocol, judgement, subject, DataRecord::default()))
    }

    fn features() -> twinlens_eval::Features {
        twinlens_eval::Features::new(4, 2, vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.1, 0.9]).unwrap()
    }

    #[test]
    fn an_accuracy_is_told_with_its_images_and_how_sure_it_is() {
        let classes = ["round", "long"].map(str::to_owned);
        let mut judged = Judgement::of_labels([("k", 1.into())], &[0, 0, 1, 1], &classes);
        let set = twinlens_eval::Labelled::new(features(), vec![0, 0, 1, 1], classes.to_vec()).unwrap();
        judged.judge("test", &set, &[0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.1, 0.9]).unwrap();
        let Judgement { asked, found, seeds, outcome, warnings } = judged;
        let outcome = Outcome::Predictions(outcome);
        let told = told("ridge-probe", Judgement { asked, found, seeds, outcome, warnings });
        let expected = "trained encoder: 75.0 % right of 4 test images (95 %: 25.0 to 100.0 %).";
        assert!(told.ends_with(expected), "{told}");
        let of_plates = Interval { value: 0.5, low: 0.4, high: 0.625, groups: Some(12) };
        assert_eq!(range(&of_plates), "95 %: 40.0 to 62.5 %, interval over 12 groups");
        assert_eq!((images(1, "val"), images(2, "all")), ("1 validation image".into(), "2 images".into()));
    }

    #[test]
    fn what_needs_no_labels_has_a_sentence_too() {
        let clusters =
            ClusterProtocol { k: serde_json::from_str("2").unwrap(), ..ClusterProtocol::default() };
        let found = clusters.run(&features(), None, &[], 0).unwrap();
        let told_of = told("cluster", super::super::protocols::wrapped(found, Outcome::Clusters));
        assert!(told_of.ends_with(": 2 clusters of 4 images, silhouette 0.89."), "{told_of}");
        let found =
            HealthProtocol { neighbours: 2, ..HealthProtocol::default() }.run(&features(), None, 0).unwrap();
        let told_of = told("health", super::super::protocols::wrapped(found, Outcome::Health));
        assert!(told_of.contains("effective rank 1.") && told_of.contains("of 2 and"), "{told_of}");
    }
}
