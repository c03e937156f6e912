//! Tables of images as CellProfiler writes them, and what is joined to them.

use twinlens_data::inspect;

use crate::make::{as_defined, refusal, with};
use crate::{folder, labels, metadata, notice, numbers, open};

const IMAGES: &str = "TableNumber,ImageNumber,Image_FileName_DAPI,Image_PathName_DAPI,Image_FileName_Tubulin,Image_PathName_Tubulin,\
                      Image_FileName_Actin,Image_PathName_Actin,Image_Metadata_Plate_DAPI,Image_Metadata_Well_DAPI,Replicate,\
                      Image_Metadata_Compound,Image_Metadata_Concentration\n";

/// A row of BBBC021's table of images.
fn row(number: usize, plate: &str, well: &str, compound: &str, concentration: &str) -> String {
    let file = |channel: u8| format!("{well}_s1_w{channel}.png,Week1/{plate}");
    let files = [1, 2, 4].map(file).join(",");
    format!("4,{number},{files},{plate},{well},1,{compound},{concentration}\n")
}

fn files(plate: &str, well: &str) -> Vec<String> {
    [1, 2, 4].map(|channel| format!("{plate}/{well}_s1_w{channel}.png")).to_vec()
}

const MECHANISMS: &str = "compound,concentration,moa\ntaxol,0.3,Microtubule stabilizers\nAZ-A,0.1,Aurora kinase inhibitors\n\
                          DMSO,0,DMSO\n";

fn bbbc021(others: &[(&str, &str)]) -> tempfile::TempDir {
    let paths: Vec<String> =
        [files("Week1_22123", "B02"), files("Week1_22123", "B03"), files("Week1_22141", "B02")].concat();
    folder(&paths.iter().map(String::as_str).collect::<Vec<_>>(), others)
}

fn table() -> String {
    let rows = [
        row(1, "Week1_22141", "B02", "taxol", "0.30"),
        row(2, "Week1_22123", "B03", "az-a", "0.1"),
        row(3, "Week1_22123", "B02", "DMSO", "0.0"),
        row(4, "Week1_22123", "G11", "emetine", "1.0"),
    ];
    IMAGES.to_owned() + &rows.concat()
}

#[test]
fn bbbc021_is_read_by_its_two_tables() {
    let folder = bbbc021(&[("BBBC021_v1_image.csv", &table()), ("BBBC021_v1_moa.csv", MECHANISMS)]);
    let set = open(folder.path(), |settings| settings.labels_column = "moa".into());
    // The same names in two plates are told apart by the folder.
    assert_eq!(numbers(&set), [[0, 1, 2], [3, 4, 5], [6, 7, 8]]);
    assert_eq!(set.channel_names, ["DAPI", "Tubulin", "Actin"]);
    assert_eq!(
        labels(&set),
        [Some("DMSO"), Some("Aurora kinase inhibitors"), Some("Microtubule stabilizers")]
    );
    let expected =
        "TableNumber=4 ImageNumber=2 plate=Week1_22123 well=B03 Replicate=1 compound=az-a concentration=0.1";
    assert_eq!(metadata(&set)[1], expected);
    assert!(notice(&set, "channels").message.contains("by the table BBBC021_v1_image.csv"));
    assert!(
        notice(&set, "joined-table").message.contains("moa by compound, concentration, for 3 of 4 rows"),
        "{:?}",
        set.notices
    );
    assert_eq!(notice(&set, "rows-without-image").first, ["row 5"]);
    let by_compound =
        open(folder.path(), |settings| settings.labels_column = "Image_Metadata_Compound".into());
    assert_eq!(labels(&by_compound), [Some("DMSO"), Some("az-a"), Some("taxol")]);
    assert!(inspect(&by_compound).unwrap().columns.contains(&"moa".to_owned()));
    // Without a label column there are no labels, and the fields are the same.
    let none = open(folder.path(), |_| {});
    assert_eq!((none.classes.len(), numbers(&none)), (0, numbers(&set)));
}

#[test]
fn a_stated_table_finds_the_mechanisms_beside_it() {
    let folder = bbbc021(&[("../BBBC021_v1_image.csv", &table()), ("../BBBC021_v1_moa.csv", MECHANISMS)]);
    let stated = folder.path().parent().unwrap().join("BBBC021_v1_image.csv").display().to_string();
    let set = open(folder.path(), |settings| {
        (settings.labels, settings.labels_column) = (stated, "moa".into());
    });
    assert_eq!(labels(&set)[2], Some("Microtubule stabilizers"));
    for name in ["BBBC021_v1_image.csv", "BBBC021_v1_moa.csv"] {
        std::fs::remove_file(folder.path().parent().unwrap().join(name)).unwrap();
    }
}

#[test]
fn load_data_tables_choose_channels_and_leave_out_what_is_not_there() {
    let header = "FileName_OrigDNA,PathName_OrigDNA,FileName_OrigER,PathName_OrigER,FileName_IllumDNA,PathName_IllumDNA,\
                  Metadata_Plate,Metadata_Well,Metadata_Site\n";
    let row = |plate: &str, channels: [u8; 2]| {
        let files = channels
            .map(|channel| format!("r01c01f01p01-ch{channel}sk1fk1fl1.tiff,s3://bucket/{plate}/Images"));
        format!("{},{plate}_IllumDNA.npy,s3://illum,{plate},A01,1\n", files.join(","))
    };
    let table = header.to_owned() + &row("BR1", [5, 4]) + &row("BR2", [5, 4]);
    let plate = "plate,well_position,pert_iname\nBR1,A1,dmso\nBR2,A1,aloxistatin\n";
    let paths = ["BR1/Images", "BR2/Images"]
        .map(|place| [4, 5].map(|channel| format!("{place}/r01c01f01p01-ch{channel}sk1fk1fl1.tiff")));
    let paths: Vec<&str> = paths.iter().flatten().map(String::as_str).collect();
    let jump = folder(&paths, &[("load_data.csv", &table), ("platemap.csv", plate)]);
    let set = open(jump.path(), |settings| settings.labels_column = "pert_iname".into());
    assert_eq!(
        (numbers(&set), set.channel_names.join(" ")),
        (vec![vec![1, 0], vec![3, 2]], "OrigDNA OrigER".into())
    );
    assert_eq!(metadata(&set), ["plate=BR1 well=A01 site=1", "plate=BR2 well=A01 site=1"]);
    assert_eq!(labels(&set), [Some("dmso"), Some("aloxistatin")]);
    let chosen = open(jump.path(), |settings| settings.channels = vec!["OrigER".into()]);
    assert_eq!((numbers(&chosen), chosen.channel_names.join(" ")), (vec![vec![0], vec![2]], "OrigER".into()));
    // A file that is missing leaves its field out, by its row.
    std::fs::remove_file(jump.path().join(paths[0])).unwrap();
    let set = open(jump.path(), |_| {});
    assert_eq!(
        (numbers(&set), notice(&set, "missing-channels").first.join("")),
        (vec![vec![3, 2]], "row 2: no OrigER".into())
    );
}

#[test]
fn frames_of_one_file_are_refused_with_a_reason() {
    let table = "FileName_A,FileName_B,Frame_A,Frame_B\n1.png,1.png,0,1\n2.png,2.png,0,1\n";
    let folder = folder(&["1.png", "2.png"], &[("load_data.csv", table)]);
    let message = refusal(twinlens_data::open(folder.path(), &as_defined()));
    assert!(
        message.contains("one file for several channels") && message.contains("{channels_from} none"),
        "{message}"
    );
    let apart =
        twinlens_data::open(folder.path(), &with(|settings| settings.channels_from = "none".into())).unwrap();
    assert_eq!(numbers(&apart), [[0], [1]]);
}

#[test]
fn plate_maps_are_joined_to_what_names_say() {
    // RxRx1 has its metadata in one table, by experiment, plate, well and site.
    let table = "site_id,experiment,plate,well,site,sirna\nx,HUVEC-01,1,B02,1,s7\ny,HUVEC-01,1,B02,2,s7\nz,HUVEC-01,2,B02,1,s9\n";
    let paths = ["Plate1/B02_s1_w1", "Plate1/B02_s1_w2", "Plate2/B02_s1_w1", "Plate2/B02_s1_w2"]
        .map(|path| format!("images/HUVEC-01/{path}.png"));
    let folder = folder(&paths.each_ref().map(String::as_str), &[("metadata.csv", table)]);
    let set = open(folder.path(), |settings| {
        settings.channels_from = "{experiment}/Plate{plate}/{well}_s{site}_w{channel}".into();
        settings.labels_column = "sirna".into();
    });
    assert_eq!((labels(&set), numbers(&set)), (vec![Some("s7"), Some("s9")], vec![vec![0, 1], vec![2, 3]]));
    // By well and site alone, rows contradict each other: nothing is joined.
    let found = open(folder.path(), |_| {});
    assert_eq!((found.classes.join(" "), notice(&found, "table").count), ("Plate1 Plate2".into(), 0));
    assert_eq!(metadata(&found)[0], "well=B02 site=1");
}
