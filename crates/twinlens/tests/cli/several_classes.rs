//! Data whose images may show several classes, from training to the report.

use std::path::Path;
use std::process::Output;

use crate::training::{Place, SMALL, complaint, json, kept, twinlens};

/// An .npy of bytes.
fn npy(shape: &[usize], data: &[u8]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({sizes}), }}\n");
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), data].concat()
}

/// Noise, brighter in red where an image shows the first class and in green where it shows the second, but for one test
/// image: no classifier can be right about all.
fn write_data(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (number, (split, images)) in [("train", 48), ("val", 24), ("test", 36)].into_iter().enumerate() {
        let mut tags: Vec<u8> =
            (0..images).flat_map(|image| [u8::from(image % 2 == 0), u8::from(image % 3 == 0)]).collect();
        let noise = |at: usize| (at * 7919 + number * 104_729) % 90;
        let value = |at: usize| {
            let (image, channel) = (at / 192, at % 3);
            let bright = channel < 2 && tags[2 * image + channel] == 1;
            u8::try_from(noise(at) + if bright { 120 } else { 40 }).unwrap()
        };
        let pixels: Vec<u8> = (0..images * 192).map(value).collect();
        tags[13] = u8::from(split != "test");
        std::fs::write(folder.join(format!("{split}_images.npy")), npy(&[images, 8, 8, 3], &pixels)).unwrap();
        std::fs::write(folder.join(format!("{split}_labels.npy")), npy(&[images, 2], &tags)).unwrap();
    }
}

#[test]
fn images_of_several_classes_are_learned_from_judged_and_reported() {
    let place = Place::new();
    let (data, out, cache) = (place.at("chest"), place.at("run"), place.at("cache"));
    write_data(&data);
    let (data, run) = (data.to_str().unwrap(), out.to_str().unwrap());
    let verb =
        |words: &[&str]| -> Output { twinlens(words).env("TWINLENS_DATA_DIR", &cache).output().unwrap() };

    let pretrain = ["pretrain", "--data", data, "--method", "barlow-twins", "--json", "--out", run];
    let trained = verb(&[&pretrain[..], &SMALL].concat());
    let said = String::from_utf8_lossy(&trained.stderr).into_owned();
    assert!(said.contains("no kNN accuracy during training"), "{said}");
    assert!(json(&trained)["knn_accuracy"].is_null());

    for words in [&["knn", run][..], &["finetune", run, "--out", "never"]] {
        let said = complaint(&verb(&[words, &["--data", data]].concat()), 3);
        assert!(said.contains("may show several classes"), "{said}");
    }
    let probe = ["probe", run, "--data", data, "--json"];
    assert!(complaint(&verb(&probe), 2).contains("--classifier svm"));
    let svm = [&probe[..], &["--classifier", "svm"]].concat();
    let few = complaint(&verb(&[&svm[..], &["--label-share", "0.1"]].concat()), 2);
    assert!(few.contains("all labels are used"), "{few}");

    let judged = |more: &[&str]| json(&verb(&[&svm[..], more].concat()));
    let told = judged(&["--features", "pixels", "--seeds", "0,3"]);
    for verdict in told["verdicts"].as_array().unwrap() {
        assert_eq!((&verdict["protocol"], &verdict["schema_version"]), (&"svm-tags".into(), &2.into()));
        for split in verdict["splits"].as_array().unwrap() {
            let mean = &split["scores"]["mean_average_precision"];
            for rule in ["step", "area", "voc07"] {
                assert!(mean[rule].as_f64().unwrap() > 0.8, "{split}");
            }
            assert_eq!(split["scores"]["per_class"].as_array().unwrap().len(), 2);
        }
    }
    assert_eq!(told["summary"][0]["splits"][1]["map"]["values"].as_array().unwrap().len(), 2);
    let verdict = &judged(&[])["verdicts"][0];
    let sha256 = verdict["data"]["sha256"].as_str().unwrap();
    kept(&out, &format!("svm-tags-{}-trained-", &sha256[..8]));
    let failed = verb(&[&svm[..], &["--fail-under", "1", "--features", "untrained"]].concat());
    assert!(complaint(&failed, 1).contains("test mAP"));
    let threads = ["1", "3"].map(|threads| {
        let mut command = twinlens(&[&svm[..], &["--features", "pixels"]].concat());
        command.env("RAYON_NUM_THREADS", threads).env("TWINLENS_DATA_DIR", &cache).output().unwrap().stdout
    });
    assert_eq!(threads[0], threads[1]);

    let transfer =
        ["transfer", run, "--data", data, "bundled", "--features", "pixels", "--classifier", "svm", "--json"];
    let told = json(&verb(&transfer));
    let count = |outcome: &str| {
        told["verdicts"].as_array().unwrap().iter().filter(|verdict| verdict["outcome"] == outcome).count()
    };
    assert_eq!((count("tags"), count("predictions")), (1, 3), "kNN with 20 and 200, and a probe");

    let clusters =
        json(&verb(&["cluster", run, "--data", data, "--clusters", "3", "--features", "pixels", "--json"]));
    assert!(clusters["verdicts"][0]["agreement"].is_null());
    assert!(clusters["verdicts"][0]["warnings"].to_string().contains("may show several classes"));
    assert!(verb(&["tsne", run, "--data", data, "--map", "pca"]).status.success());
    let inspected = json(&verb(&["data", "inspect", data, "--json"]));
    assert_eq!(inspected["splits"]["test"]["per_class"], serde_json::json!([18, 11]));
    assert_eq!(inspected["splits"]["test"]["not_judged"], serde_json::json!([0, 0]));

    // A report is drawn from the folder of its run alone.
    std::fs::remove_dir_all(data).unwrap();
    assert!(verb(&["report", run]).status.success());
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Images of several classes") && !page.contains("Nothing was evaluated"));
    for kept in
        ["Map of the features", "atlas-sprite", "Originals and views", "36 test", "nearest to each centroid"]
    {
        assert!(page.contains(kept), "{kept}");
    }
    assert!(page.contains("--protocol svm-tags"), "the page says how to repeat it");
    let table = std::fs::read_to_string(out.join("tables/several-classes.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 3, "trained, untrained, pixels: {table}");
    let both = place.at("both.html");
    assert!(verb(&["report", run, run, "--out", both.to_str().unwrap()]).status.success());
    assert!(std::fs::read_to_string(both).unwrap().contains("Images of several classes"));
}
