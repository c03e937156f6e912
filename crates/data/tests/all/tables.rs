//! Labels, splits and further columns from tables beside the images.

use twinlens_data::{DataError, DataSet, OpenOptions, Split, SplitOrigin, SplitPolicy, inspect};

use crate::layouts::{given, members, notice};
use crate::make::{as_defined, png, put, refusal, with};

/// A folder with pictures at `images` and the other files as given.
fn try_set(
    images: &[&str],
    files: &[(&str, &[u8])],
    options: &OpenOptions<'_>,
) -> Result<DataSet, DataError> {
    let folder = tempfile::tempdir().unwrap();
    images.iter().enumerate().for_each(|(seed, path)| put(folder.path(), path, &png(3, seed as u8)));
    files.iter().for_each(|(path, bytes)| put(folder.path(), path, bytes));
    twinlens_data::open(folder.path(), options)
}

fn set(images: &[&str], table: &str) -> DataSet {
    try_set(images, &[("labels.csv", table.as_bytes())], &as_defined()).unwrap()
}

/// The classes of the training images, in their order.
fn labels(set: &DataSet) -> Vec<String> {
    members(set, Split::Train).into_iter().map(|(_, class)| class.unwrap_or("-".into())).collect()
}

const TWO: [&str; 2] = ["1.png", "2.png"];

#[test]
fn labels_stand_in_a_table_beside_the_images() {
    let set = twinlens_data::open(&given("layout_images_and_labels_csv.zip"), &as_defined()).unwrap();
    assert_eq!((set.classes.join(" ").as_str(), labels(&set).join(" ").as_str()), ("0 1", "0 1 0 1 0 1"));
    assert!(notice(&set, "labels-table").message.contains("\"label\""));
    assert_eq!(set.notices.len(), 1);
}

#[test]
fn tables_are_read_however_they_are_written() {
    for table in [
        "image,label\n1.png,cat\n2.png,dog\n",
        "\u{feff}Image;Label\r\n1.png;cat\r\n2.png;dog\r\n",
        "FILENAME\tClass\n1.png\tcat\n2.png\tdog\n",
        "id,age,diagnosis\n1,40,cat\n2,50,dog\n",
        "file_name,target\n\"./1.png\",\"cat\"\n\"sub\\2.png\",\"dog\"\n",
        "x,path,dx\n9,/home/me/1.png,cat\n8,/home/me/2.png,dog\n",
        "index,which,category\n100,1.jpg,cat\n101,2.jpg,dog\n",
    ] {
        assert_eq!(labels(&set(&["1.png", "sub/2.png"][..1], table)), ["cat"], "{table}");
        if !table.contains("sub") {
            assert_eq!(labels(&set(&TWO, table)), ["cat", "dog"], "{table}");
        }
    }
    let latin1 = b"image,label\n1.png,caf\xe9\n2.png,th\xe9\n";
    let read = try_set(&TWO, &[("labels.csv", latin1)], &as_defined()).unwrap();
    assert_eq!(read.classes, ["caf\u{e9}", "th\u{e9}"]);
}

#[test]
fn numbers_keep_their_order_and_some_labels_are_none() {
    let images: Vec<String> = (0..12).map(|i| format!("{i:02}.png")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let rows: String = (0..12).map(|i| format!("{i:02}.png,{i}\n")).collect();
    let read = set(&images, &format!("image,label\n{rows}"));
    assert_eq!(read.classes, (0..12).map(|i| i.to_string()).collect::<Vec<_>>());
    let read = set(&images[..4], "image,label\n00.png,1.0\n01.png,-1\n02.png,\n03.png,0.0\n");
    assert_eq!((labels(&read).join(" ").as_str(), read.classes.len()), ("1 - - 0", 2));
}

#[test]
fn one_hot_columns_are_labels_and_other_columns_are_kept() {
    let read = set(&TWO, "image,MEL,NV,BCC,age\n1,0.0,1.0,0.0,61\n2,1.0,0.0,0.0,\n");
    assert_eq!(
        (labels(&read), read.classes.clone()),
        (vec!["NV".into(), "MEL".into()], vec!["MEL".into(), "NV".into()])
    );
    let train = read.splits.train.as_ref().unwrap();
    assert_eq!(
        (train.columns().to_vec(), train.metadata(0).to_vec(), train.metadata(1).to_vec()),
        (vec!["age".to_string()], vec!["61".to_string()], vec![String::new()],)
    );
    let read = set(&TWO, "image,patient,label,site\n2,p7,b,north\n1,p3,a,south\n");
    let train = read.splits.train.as_ref().unwrap();
    assert_eq!(
        (train.columns(), train.metadata(0), train.metadata(1)),
        (
            &["patient".to_string(), "site".to_string()][..],
            &["p3".to_string(), "south".to_string()][..],
            &["p7".to_string(), "north".to_string()][..],
        )
    );
    assert_eq!(inspect(&read).unwrap().columns, ["patient", "site"]);
}

#[test]
fn columns_that_are_stated_count_and_must_be_there() {
    let table: &[(&str, &[u8])] =
        &[("labels.csv", b"image,other,label,grade\n1.png,2.png,x,lo\n2.png,1.png,y,hi\n")];
    let read = |change: fn(&mut twinlens_data::DataSettings)| try_set(&TWO, table, &with(change));
    assert_eq!(labels(&read(|settings| settings.labels_column = "Grade".into()).unwrap()), ["lo", "hi"]);
    assert_eq!(labels(&read(|settings| settings.path_column = "other".into()).unwrap()), ["y", "x"]);
    for change in [
        (|settings| settings.labels_column = "kind".into()) as fn(&mut twinlens_data::DataSettings),
        |settings| settings.path_column = "kind".into(),
        |settings| (settings.splits, settings.split_column) = (SplitPolicy::Column, "kind".into()),
    ] {
        let message = refusal(read(change));
        assert!(message.contains("\"kind\"; its columns are image, other, label, grade"), "{message}");
    }
    let stated =
        with(|settings| (settings.labels, settings.path_column) = ("labels.csv".into(), "kind".into()));
    assert!(refusal(try_set(&TWO, table, &stated)).contains("has no column \"kind\""));
}

#[test]
fn a_table_may_be_stated_or_lie_one_folder_up() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "images/1.png", &png(3, 1));
    put(folder.path(), "images/2.png", &png(3, 2));
    put(folder.path(), "labels.csv", b"image,label\n1,a\n2,b\n");
    put(folder.path(), "elsewhere/other.csv", b"image,label\n1,c\n2,d\n");
    let images = folder.path().join("images");
    assert_eq!(twinlens_data::open(&images, &as_defined()).unwrap().classes, ["a", "b"]);
    let other = folder.path().join("elsewhere/other.csv").display().to_string();
    let stated = with(|settings| settings.labels = other);
    assert_eq!(twinlens_data::open(&images, &stated).unwrap().classes, ["c", "d"]);
    let missing = with(|settings| settings.labels = "none.csv".into());
    assert!(refusal(twinlens_data::open(&images, &missing)).contains("no table \"none.csv\""));
}

#[test]
fn a_table_that_changes_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    (0..40).for_each(|seed| put(folder.path(), &format!("images/{seed}.png"), &png(4, seed)));
    let table =
        |label: &str| put(folder.path(), "labels.csv", format!("image,label\n1,{label}\n").as_bytes());
    let options = OpenOptions { memory_limit: Some(1500), ..as_defined() };
    for label in ["first", "second"] {
        table(label);
        let set = twinlens_data::open(&folder.path().join("images"), &options).unwrap();
        assert_eq!((set.classes, set.bytes_in_memory), (vec![label.to_string()], 0));
    }
}

#[test]
fn splits_stand_in_a_column() {
    let images = ["1.png", "2.png", "3.png", "4.png"];
    let table = "image,label,split\n1,a,train\n2,b,Training\n3,a,val\n4,b,test\n";
    let read = set(&images, table);
    assert_eq!([Split::Train, Split::Val, Split::Test].map(|split| members(&read, split).len()), [2, 1, 1]);
    assert!(notice(&read, "split-column").message.contains("labels.csv"));
    assert_eq!(read.splits.train.unwrap().columns().len(), 0);
    let column =
        with(|settings| (settings.splits, settings.split_column) = (SplitPolicy::Column, "part".into()));
    let table = b"image,label,part\n1,a,train\n2,b,unlabeled\n3,a,test\n";
    let read = try_set(&images, &[("labels.csv", table)], &column).unwrap();
    assert_eq!(read.split_origin, SplitOrigin::Column);
    assert_eq!(members(&read, Split::Train), [("1.png".into(), Some("a".into())), ("2.png".into(), None)]);
    assert_eq!(notice(&read, "left-out").first, ["4.png"]);
    let message = refusal(try_set(&images, &[("labels.csv", b"image,part\n1,0\n2,1\n")], &column));
    assert!(message.contains("says \"0\", which is no split"), "{message}");
    assert!(refusal(try_set(&images, &[], &column)).contains("no table"));
}

#[test]
fn what_does_not_fit_is_counted() {
    let read = set(&["1.png", "2.png", "3.png"], "image,label\n1.png,a\n8.png,b\n9.png,c\n");
    assert_eq!(labels(&read), ["a", "-", "-"]);
    assert_eq!(notice(&read, "images-without-row").first, ["2.png", "3.png"]);
    assert_eq!(notice(&read, "rows-without-image").first, ["8.png", "9.png"]);
    let read = set(&TWO, "image,label\n7.png,a\n8.png,b\n");
    assert!(
        notice(&read, "table").message.contains("labels.csv is not read as a table of labels: it names none")
    );
    assert_eq!(labels(&read), ["-", "-"]);
    let stated = with(|settings| settings.labels = "labels.csv".into());
    let message = refusal(try_set(&TWO, &[("labels.csv", b"image,label\n7.png,a\n")], &stated));
    assert!(message.contains("it names none of the images"), "{message}");
    let message = refusal(try_set(&TWO, &[("labels.csv", b"image,label\n1,a\n1.png,b\n")], &as_defined()));
    assert!(message.contains("image 1.png is \"a\" and \"b\""), "{message}");
    let message = refusal(try_set(&TWO, &[("labels.csv", b"image,label\n1,a,b\n")], &stated));
    assert!(message.contains("labels.csv") && message.contains("line"), "{message}");
}

#[test]
fn a_table_to_hand_in_holds_no_labels() {
    let files: &[(&str, &[u8])] =
        &[("train.csv", b"id,label\n1,cat\n"), ("sample_submission.csv", b"id,label\n2,dog\n")];
    let read = try_set(&["train/1.png", "test/2.png"], files, &as_defined()).unwrap();
    assert_eq!((labels(&read), read.classes.clone()), (vec!["cat".into()], vec!["cat".into()]));
    assert_eq!(members(&read, Split::Test), [("test/2.png".into(), None)]);
}

#[test]
fn several_tables_are_read_as_one() {
    let files: &[(&str, &[u8])] =
        &[("a.csv", b"image,patient\n1,p1\n2,p2\n"), ("b.csv", b"id,label,age\n2,dog,9\n1,cat,8\n")];
    let read = try_set(&TWO, files, &as_defined()).unwrap();
    let train = read.splits.train.as_ref().unwrap();
    assert_eq!(
        (labels(&read).join(" ").as_str(), train.columns().join(" ").as_str()),
        ("cat dog", "patient age")
    );
    assert_eq!((train.metadata(0).join(" "), train.metadata(1).join(" ")), ("p1 8".into(), "p2 9".into()));
}

#[test]
fn a_name_that_several_images_have_names_none_of_them() {
    let images = ["x/1.png", "y/1.png", "y/2.png"];
    let stated = |table: &[u8]| {
        let options = with(|settings| settings.labels = "labels.csv".into());
        try_set(&images, &[("labels.csv", table)], &options).unwrap()
    };
    let read = stated(b"image,label\n1.png,a\n2.png,b\n");
    assert_eq!(labels(&read), ["-", "-", "b"]);
    assert!(notice(&read, "rows-without-image").message.contains("(1 of them) several"));
    assert_eq!(labels(&stated(b"image,label\nx/1.png,a\ny/1.png,b\n2,c\n")), ["a", "b", "c"]);
}

#[test]
fn folders_count_before_a_table_unless_it_is_stated() {
    let images = ["cat/1.png", "dog/2.png"];
    let table: &[(&str, &[u8])] = &[("metadata.csv", b"file,label,patient\n1.png,x,p1\n2.png,y,p2\n")];
    let read = try_set(&images, table, &as_defined()).unwrap();
    assert_eq!(
        (labels(&read).join(" "), read.splits.train.as_ref().unwrap().metadata(1).join(" ")),
        ("cat dog".into(), "p2".into())
    );
    assert!(notice(&read, "labels-twice").message.contains("are those of the folders"));
    let read = try_set(&images, table, &with(|settings| settings.labels = "metadata.csv".into())).unwrap();
    assert_eq!(labels(&read), ["x", "y"]);
    assert!(notice(&read, "labels-twice").message.contains("stated"));
}

#[test]
fn hugging_faces_metadata_lie_in_the_folder_of_each_split() {
    let images = ["train/1.png", "train/2.png", "test/1.png"];
    let files: &[(&str, &[u8])] = &[
        (
            "train/metadata.jsonl",
            b"{\"file_name\": \"1.png\", \"label\": 1, \"n\": 5}\n{\"file_name\": \"2.png\", \"label\": 0}\n",
        ),
        ("test/metadata.csv", b"file_name,label\n1.png,1\n"),
    ];
    let read = try_set(&images, files, &as_defined()).unwrap();
    assert_eq!(
        (labels(&read), read.classes.clone()),
        (vec!["1".into(), "0".into()], vec!["0".into(), "1".into()])
    );
    assert_eq!(members(&read, Split::Test), [("test/1.png".into(), Some("1".into()))]);
    let train = read.splits.train.as_ref().unwrap();
    assert_eq!(
        (train.columns(), train.metadata(0), train.metadata(1)),
        (&["n".to_string()][..], &["5".to_string()][..], &[String::new()][..],)
    );
}

#[test]
fn what_a_table_holds_reaches_no_terminal() {
    let stated = with(|settings| settings.labels_column = "label".into());
    let table = b"image,a\x1b[2J\n1.png,cat\n2.png,dog\n";
    let message = refusal(try_set(&TWO, &[("labels.csv", table)], &stated));
    assert!(message.contains("its columns are image, a\\u{1b}[2J"), "{message:?}");
    let read = set(&TWO, "image,label,x\u{7}\n1.png,\"a\nb\",1\n2.png,dog,2\n");
    assert_eq!(read.classes, ["a\\nb", "dog"]);
    assert_eq!(read.splits.train.unwrap().columns(), ["x\\u{7}"]);
}
