//! What is done with folders of pictures: a network that suits them, segmenting, filling in, and what is refused.

use crate::support::Room;
use narrows::data::png_bytes;
use serde_json::Value;

/// Folders of 16×12 pictures, a bright square on dark ground, and maps that say where it is; the last column is known by nobody.
fn streets() -> Room {
    let room = Room::new();
    for (part, count) in [("train", 40), ("test", 6)] {
        for number in 0..count {
            let (top, left) = (number % 8, number * 5 % 10);
            let inside =
                |at: usize| (top..top + 5).contains(&(at / 16)) && (left..left + 5).contains(&(at % 16));
            let pixels: Vec<u8> =
                (0..192).flat_map(|at| [if inside(at) { 220 } else { 30 }, 60, 90]).collect();
            let map: Vec<u8> =
                (0..192).map(|at| if at % 16 == 15 { 9 } else { u8::from(inside(at)) }).collect();
            room.write(&format!("streets/{part}/{number:02}.png"), png_bytes(12, 16, 3, &pixels));
            room.write(&format!("streets/{part}annot/{number:02}.png"), png_bytes(12, 16, 1, &map));
        }
    }
    room
}

const SEGMENTER: &str = "--set model.kind=segmenter --set data.maps=annot --set data.void=9 --set data.class_names=['ground','square'] --set model.code=0 --set model.growth=unpool --set train.epochs=20 --set train.batch=8 --set train.learning_rate=0.01";

fn segmenter(room: &Room) {
    let mut command = room.command(&format!("train streets --out s.narrows --json {SEGMENTER}"));
    command.args([
        "--set",
        "model.hidden=[{ kind = 'convolution', channels = 6 }, 'max-pool', { kind = 'convolution', channels = 6 }]",
    ]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["evaluation"]["pixel_accuracy"].as_f64().unwrap() > 0.95, "{told}");
}

#[test]
fn pictures_are_segmented_into_a_folder_with_a_legend() {
    let room = streets();
    segmenter(&room);
    let ran = room.done("segment s.narrows --data streets --part test --out told");
    assert!(ran.stderr.contains("told: 6 pictures, each pixel one of 2 classes"), "{}", ran.stderr);
    assert!(room.text("told/classes.csv").contains("1,\"square\",#"));
    assert!(room.text("told/legend.html").contains("ground"));
    let read = |name: &str| image_numbers(&room.read(name));
    let (found, truth) = (read("told/test/03.png"), read("streets/testannot/03.png"));
    let same = found.iter().zip(&truth).filter(|(found, truth)| found == truth).count();
    assert!(same > 170, "{same} of 192");
    // Again into the same folder; not into one with other things in it.
    room.done("segment s.narrows --data streets --part test --out told");
    room.write("told/mine.png", &png_bytes(2, 2, 1, &[1, 2, 3, 4])[..33]);
    assert!(room.refused("segment s.narrows --data streets --out told").contains("mine.png"));
    // Maps of pictures that are brought to the model's size lie on these as they are.
    room.write("large/one.png", png_bytes(24, 32, 3, &[90; 24 * 32 * 3]));
    room.done("segment s.narrows --data large --out twice");
    room.done("segment s.narrows --data large/one.png --out once");
    let map = image_numbers(&room.read("twice/one.png"));
    assert_eq!((map.len(), &map), (24 * 32, &image_numbers(&room.read("once/one.png"))));
    // Models that tell classes fill nothing in, whatever they are trained with.
    let mut command = room.command("train streets --out b.narrows --set train.corruption=block --set train.epochs=1 --set model.kind=segmenter --set data.maps=annot --set data.void=9 --set model.code=0");
    command.args(["--set", "model.hidden=['convolution']"]);
    assert!(command.output().unwrap().status.success());
    assert!(!room.text("b.html").contains("missing blocks"));
    assert!(room.refused("segment s.narrows --data streets --out streets").contains("streets"));
    let told = room.json("evaluate s.narrows --data streets --json");
    assert_eq!(told["classes"], serde_json::json!(["ground", "square"]));
    assert_eq!(told["confusion"].to_string().matches(',').count(), 3);
    let all = room.json("evaluate s.narrows --data streets --split all --json");
    assert_eq!(all["rows"].as_u64(), Some(46));
    let text = room.done("evaluate s.narrows --data streets").stdout;
    assert!(text.contains("mean IoU") && text.contains("IoU, square"), "{text}");
    assert!(room.text("s.html").contains("What each pixel was taken for"));
    assert!(room.refused("reconstruct s.narrows --data streets --out x.npy").contains("a segmenter"));
    // Pictures without maps can be segmented, and not judged.
    std::fs::remove_dir_all(room.path("streets/testannot")).unwrap();
    room.done("segment s.narrows --data streets --part test --out again");
    assert!(room.refused("evaluate s.narrows --data streets").contains("testannot"));
}

/// The numbers of an 8-bit grey or palette PNG file.
fn image_numbers(file: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_folder_of_pictures_is_learned_by_a_network_that_suits_it() {
    let room = streets();
    let ran = room.done("train streets --out a.narrows --set train.epochs=2");
    assert!(ran.stderr.contains("1 convolution at stride 2 halves 12x16 pixels to 6x8"), "{}", ran.stderr);
    assert!(ran.stdout.contains("PSNR, dB") && ran.stdout.contains("SSIM"), "{}", ran.stdout);
    // Other settings go with it.
    let ran = room.done(
        "train streets --out b.narrows --set train.epochs=1 --set model.code=7 --set model.growth=upsample --set train.augment_shift=1",
    );
    assert!(ran.stderr.contains("stride 2 halves") && ran.stderr.contains("8×32-7-6×8"), "{}", ran.stderr);
    assert!(ran.stderr.contains("seed 1, shifted by up to 1"), "{}", ran.stderr);
    let ran =
        room.done("train streets/train --out b.narrows --set train.epochs=1 --set data.source=pictures");
    assert!(ran.stderr.contains("a convolutional autoencoder"), "{}", ran.stderr);
    let line = room.refused("train table.csv --set model.growth=repeat");
    assert!(line.contains("table.csv"), "{line}");
    room.write("table.csv", "1,2\n3,4\n5,6\n7,8\n9,10\n11,12\n13,14\n15,16\n17,18\n19,20\n");
    let line = room.refused("train table.csv --set model.growth=repeat");
    assert!(line.contains("model.growth"), "{line}");
    let asked = room.done(
        "train streets --out b.narrows --set train.epochs=2 --set model.hidden=[5] --set model.code=50",
    );
    // So many directions do 36 rows have.
    assert!(asked.stdout.contains("PCA, 35 units"), "{}", asked.stdout);
    assert!(!asked.stderr.contains("stride 2"), "{}", asked.stderr);
    assert!(room.text("a.html").contains("What layers make of a picture"));
    // More than may be kept in memory: decoded into a file, which is gone in the end.
    let ran = room.done("train streets --out c.narrows --set train.epochs=2 --set data.in_memory=100");
    assert!(ran.stderr.contains("they were decoded into"), "{}", ran.stderr);
    assert!(room.everything().iter().all(|(path, _)| !path.to_string_lossy().contains(".rows")));
}

#[test]
fn missing_pixels_are_filled_and_known_ones_kept() {
    let room = streets();
    room.done("train streets --out a.narrows --set train.epochs=2 --set train.corruption=block");
    let told = room.json(
        "inpaint a.narrows --data streets --part test --mask block:4x3 --out f.npy --masked m.npy --json",
    );
    assert_eq!(told["pictures"].as_u64(), Some(6));
    assert!(told["psnr"].as_f64().unwrap() > 5.0 && told["psnr_border_mean"].as_f64().unwrap() > 5.0);
    room.done("reconstruct a.narrows --data streets --part test --out r.npy");
    let ran = room.done("inpaint a.narrows --data streets --part test --mask block:4x3 --out filled.png");
    assert!(ran.stdout.contains("PSNR of the missing pixels"), "{}", ran.stdout);
    let mask = |height: usize, width: usize| {
        let bright: Vec<u8> = (0..height * width).map(|at| if at < 30 { 255 } else { 0 }).collect();
        png_bytes(height, width, 1, &bright)
    };
    room.write("mask.png", mask(12, 16));
    let ran = room.done("inpaint a.narrows --data streets --part test --mask mask.png --out filled");
    assert!(!ran.stdout.contains("PSNR"), "{}", ran.stdout);
    let (filled, before) = (room.read("filled/00000.png"), room.read("streets/test/00.png"));
    let (filled, before) = (image_numbers(&filled), image_numbers(&before));
    assert_eq!(filled[90..], before[90..]);
    assert_ne!(filled[..90], before[..90]);
    for number in 0..6 {
        room.write(&format!("masks/{number:02}.png"), mask(12, 16));
    }
    room.done("inpaint a.narrows --data streets --part test --mask masks --out again");
    assert_eq!(room.read("again/00003.png"), room.read("filled/00003.png"));
    let page = room.text("a.html");
    assert!(
        page.contains("missing blocks of 8x8, filled") && page.contains("the mean of their border"),
        "{page}"
    );
    for (mask, out) in [("mask.png", "mask.png"), ("masks", "masks")] {
        let line = room.refused(&format!("inpaint a.narrows --data streets --mask {mask} --out {out}"));
        assert!(line.contains("would be replaced"), "{line}");
    }
    // Ones among zeros are as good as white; nothing but zeros is no mask.
    let ones: Vec<u8> = (0..192).map(|at| u8::from(at < 30)).collect();
    room.write("ones.png", png_bytes(12, 16, 1, &ones));
    room.done("inpaint a.narrows --data streets --part test --mask ones.png --out ones");
    assert_eq!(room.read("ones/00003.png"), room.read("filled/00003.png"));
    room.write("none.png", png_bytes(12, 16, 1, &[0; 192]));
    let line = room.refused("inpaint a.narrows --data streets --mask none.png --out x");
    assert!(line.contains("none.png: expected a mask, bright where pixels are missing"), "{line}");
    room.write("small.png", mask(6, 8));
    let line = room.refused("inpaint a.narrows --data streets --mask small.png --out x");
    assert!(line.contains("the mask has 6x8 pixels, the pictures 12x16"), "{line}");
    let line = room.refused("inpaint a.narrows --data streets --mask block:40x3 --out x");
    assert!(line.contains("pictures 12 pixels high and 16 wide, found one 3 high and 40 wide"), "{line}");
    assert!(
        room.refused("inpaint a.narrows --data streets --mask nothing.png --out x").contains("nothing.png")
    );
}

/// Files that are nobody's but the user's stay, and pictures of another size are seen as the model's were.
#[test]
fn nothing_of_the_users_is_lost() {
    let room = streets();
    room.write("a.narrows.rows", "mine");
    room.done("train streets --out a.narrows --set train.epochs=1 --skip report");
    assert_eq!(room.text("a.narrows.rows"), "mine");
    let line = room.refused("train streets --out a.narrows --set data.in_memory=100");
    assert!(line.contains("another file has this name"), "{line}");
    assert_eq!(room.text("a.narrows.rows"), "mine");
    room.write("large/one.png", png_bytes(30, 50, 3, &[90; 4500]));
    room.write("large/two.jpg.png", png_bytes(7, 5, 1, &[90; 35]));
    let ran = room.done("reconstruct a.narrows --data large --out back.npy");
    assert!(ran.stderr.contains("2 of 2 pictures were resized to 12x16"), "{}", ran.stderr);
    // Nor is what is made of pictures put in their place, nor over others that are numbered alike.
    let (before, one) = (room.everything(), "large/one.png");
    for (data, out) in [
        ("large", "large"),
        (one, one),
        (one, "large"),
        ("large", one),
        ("large", "./large"),
        ("back.npy", "back.npy"),
    ] {
        let line = room.refused(&format!("reconstruct a.narrows --data {data} --out {out}"));
        assert!(line.contains("the data lie there"), "{line}");
    }
    assert_eq!(room.everything(), before);
    room.write("film/00000.png", png_bytes(12, 16, 3, &[9; 576]));
    room.done("generate a.narrows --data streets --count 2 --out new");
    room.done("generate a.narrows --data streets --count 2 --out new");
    room.write(
        "numbered/00000.png",
        [room.read("new/00000.png")[..33].to_vec(), room.read("new/00000.png")[33 + 28..].to_vec()].concat(),
    );
    assert!(room.refused("generate a.narrows --data streets --count 2 --out numbered").contains("00000.png"));
    // Arrays are brought to the model's size like files, and that is told.
    let other: Vec<u8> = [
        &b"\x93NUMPY\x01\x00\x76\x00"[..],
        format!("{:117}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 16, 12, 3)}").as_bytes(),
        &[7; 2 * 576],
    ]
    .concat();
    room.write("other.npy", other);
    let ran = room.done("encode a.narrows --data other.npy --out codes.npy");
    let told = "16x12 colour images were brought to 12x16 colour images";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let ran = room.done("inpaint a.narrows --data large --mask block:3x3 --out filled.png");
    assert!(ran.stderr.contains("trained on whole pictures, not to fill in"), "{}", ran.stderr);
    assert!(
        room.refused("inpaint a.narrows --data large --mask block:3x3 --out x --masked x")
            .contains("same place")
    );
    // What was set goes with the plain network alone.
    let rbm =
        "--set train.pretraining=rbm --set model.activation=sigmoid --set model.code_activation=sigmoid";
    room.done(&format!("train streets --out b.narrows --set train.epochs=1 --skip report {rbm}"));
}

/// The page follows the first picture through the layers, or another one, by number or by name.
#[test]
fn report_follows_a_chosen_picture() {
    let room = streets();
    room.done("train streets --out a.narrows --set train.epochs=1 --skip report");
    let page = |options: &str| {
        room.done(&format!("report a.narrows --data streets --out page.html {options}"));
        room.text("page.html")
    };
    let (first, second) = (page(""), page("--picture 1"));
    assert!(first.contains("What layers make of a picture") && first != second);
    assert!(first == page("--picture 0") && second == page("--picture 01.png"));
    assert!(first.contains("<h3>test/00.png</h3>") && second.contains("<h3>test/01.png</h3>"));
    let told = room.json("inspect googlenet --json");
    assert_eq!(told["layers"][0]["if_fully_connected"].as_u64(), Some(224 * 224 * 3 * 112 * 112 * 64));
    assert_eq!(told["auxiliary"].as_array().map(Vec::len).map(|heads| heads > 2), Some(true));
    assert!(told["layers"].as_array().unwrap().iter().any(|layer| layer["inside"].is_array()));
    let line = room.refused("report a.narrows --data streets --picture 4711");
    assert!(line.contains("no picture `4711`"), "{line}");
    let table = Room::with_table_model();
    let line = table.refused("report t.narrows --data t.csv --picture 0");
    assert!(line.contains("no layers of maps"), "{line}");
}

/// A picture that claims 60,000×60,000 pixels, alone and among others; layers that do not fit.
#[test]
fn what_cannot_be_is_refused() {
    let room = streets();
    let mut bomb = room.read("streets/train/00.png");
    for side in [16, 20] {
        bomb[side..side + 4].copy_from_slice(&60_000u32.to_be_bytes());
    }
    let mut sum = flate2::Crc::new();
    sum.update(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    room.write("bomb/bomb.png", &bomb);
    assert!(room.refused("train bomb").contains("60000x60000"));
    room.write("streets/train/bomb.png", &bomb);
    let ran = room.done("train streets --out a.narrows --set train.epochs=1");
    assert!(ran.stderr.contains("1 of 47 pictures could not be read"), "{}", ran.stderr);
    for (layers, expected) in [
        ("[{kind='convolution',size=20,padding='none'}]", "20×20"),
        ("[{kind='convolution',groups=2}]", "2 groups do not divide 3 channels"),
        ("['unpool']", "none is left"),
        ("[{kind='convolution',channels=0}]", "channels"),
        ("[{kind='convolution',stride=2,dilation=2}]", "hear nothing"),
    ] {
        let line = room.refused(&format!("train streets --set model.hidden={layers}"));
        assert!(line.contains(expected), "{layers}: {line}");
    }
}
