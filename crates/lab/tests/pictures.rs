//! What stands beside verdicts: the sheet of neighbours of a retrieval, the cross-correlation of views.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests may stop the test too")]

use std::path::Path;

use serde_json::{Value, json};
use twinlens_data::{DataSet, LabelAmount, OpenOptions, open};
use twinlens_lab::protocols::{PROTOCOLS, ProtocolSpec, find};
use twinlens_lab::{
    Computing, FeaturesKind, Judging, LabError, LabelDraw, Outcome, Repeat, Settings, Silent, Subject,
    Verdict,
};
use twinlens_nn::weights::{EncoderDescription, EncoderFile};
use twinlens_report::Picture;
use twinlens_views::EvalResize;
use twinlens_views::presets::preset;

fn blood_cells() -> DataSet {
    open(Path::new("assets/blood_cells_28.npz"), &OpenOptions::default()).unwrap()
}

/// A random network, or the pixels that it would see.
fn subject(kind: FeaturesKind) -> Subject {
    let description = EncoderDescription {
        version: 2,
        encoder: "resnet18".into(),
        stem: "cifar".into(),
        channels: 3,
        features: 512,
        size: 8,
        range: None,
        stain: None,
        bag_of_channels: false,
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
        origin: String::new(),
        eval_resize: EvalResize::default(),
    };
    Subject::new(kind, EncoderFile { description, tensors: Default::default() }, 0).unwrap()
}

fn judge(
    judging: &mut Judging<'_>,
    id: &str,
    settings: &[(&str, Value)],
    labels: LabelDraw,
) -> Result<Verdict, Box<LabError>> {
    let protocol: &ProtocolSpec = find(id).unwrap();
    assert!(PROTOCOLS.iter().any(|spec| spec.id == id));
    let settings: Settings = settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let repeat = Repeat { labels: vec![labels], ..Repeat::default() };
    Ok(judging.run(protocol, &settings, &repeat)?.remove(0))
}

#[test]
fn a_retrieval_has_a_sheet_and_says_who_was_compared_with_whom() {
    let (data, subject) = (blood_cells(), subject(FeaturesKind::Pixels));
    let computing = Computing::new(0, "cpu", None);
    let mut judging = Judging::new(&subject, (&data, "blood"), &computing, &Silent);
    let few = LabelDraw { amount: LabelAmount::PerClass(5), ..LabelDraw::ALL };

    let others = judge(&mut judging, "retrieval", &[("examples", 3.into())], LabelDraw::ALL).unwrap();
    let trained = judge(&mut judging, "retrieval", &[("gallery", "train".into())], LabelDraw::ALL).unwrap();
    let drawn = judge(&mut judging, "retrieval", &[("gallery", "train".into())], few).unwrap();
    let images = |split: &str| match split {
        "train" => data.splits.train.as_ref().unwrap().len(),
        _ => data.splits.test.as_ref().unwrap().len(),
    };
    for (verdict, gallery, examples) in [
        (&others, images("test") - 1, 3),
        (&trained, images("train"), 12),
        (&drawn, 5 * data.classes.len(), 12),
    ] {
        let Outcome::Retrieval(found) = &verdict.outcome else { panic!("{:?}", verdict.outcome) };
        let split = found.splits.last().unwrap();
        assert_eq!((split.split.as_str(), split.gallery, split.examples.len()), ("test", gallery, examples));
        assert_eq!(split.samples + split.alone, images("test"));
        // More often right than the most common class would be by chance: cells of a kind look alike.
        let recall = split.measures["recall_at_1"].unwrap();
        assert!(recall > 0.3 && recall <= split.measures["recall_at_10"].unwrap(), "{:?}", split.measures);
        let sheet = Picture::from_png(verdict.exhibit("png").unwrap().to_vec()).unwrap();
        assert_eq!(sheet.extension(), "png");
        let told = verdict.summary();
        assert!(told.contains("recall@1") && told.contains("mAP@k"), "{told}");
        let read: Verdict = serde_json::from_value(json!(verdict)).unwrap();
        assert_eq!(Verdict { exhibits: verdict.exhibits.clone(), ..read }, *verdict);
    }
    assert!(trained.summary().contains("gallery=train"), "{}", trained.summary());
    let keys = [others.key(), trained.key(), drawn.key()];
    assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    assert_eq!(others.headline().unwrap().measure, "recall@1");

    let refused = judge(&mut judging, "retrieval", &[], few).unwrap_err();
    assert!(matches!(*refused, LabError::NotHeeded { protocol: "retrieval", .. }), "{refused}");
}

#[test]
fn views_have_a_picture_of_their_cross_correlation() {
    let (data, subject) = (blood_cells(), subject(FeaturesKind::Untrained));
    let computing = Computing::new(0, "cpu", None);
    let mut judging = Judging::new(&subject, (&data, "blood"), &computing, &Silent);
    let without = judge(&mut judging, "health", &[], LabelDraw::ALL).unwrap();
    assert!(without.exhibit("svg").is_some() && without.exhibit("png").is_none());
    judging.views = Some(("simclr".to_owned(), preset("simclr").unwrap()));
    let with = judge(&mut judging, "health", &[], LabelDraw::ALL).unwrap();
    let Outcome::Health(found) = &with.outcome else { panic!("{:?}", with.outcome) };
    let means = found.cross_correlation.unwrap();
    assert!(means.diagonal > means.off_diagonal.abs() && means.diagonal <= 1.0, "{means:?}");
    let information = found.information.unwrap();
    assert!(information.log_det_given_image < information.log_det, "{information:?}");
    assert!(Picture::from_png(with.exhibit("png").unwrap().to_vec()).is_ok());
}
