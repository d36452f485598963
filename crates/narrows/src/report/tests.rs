//! Tests of whole pages: structure, safety of what is written into them, size, files.

use super::*;

const SHAPE: PictureShape = PictureShape { height: 28, width: 28, channels: 1 };

/// A made-up picture: a ring or a stroke whose shape follows from the label, moved a little by the row's number.
fn picture(label: usize, row: usize, blur: f32) -> Vec<f32> {
    let (shift, angle) = ((row * 7 % 5) as f32 - 2.0, label as f32 * 0.6 + (row * 13 % 7) as f32 * 0.04);
    let (sine, cosine) = angle.sin_cos();
    let value = |index: usize| {
        let (y, x) = ((index / 28) as f32 - 13.5 + shift * 0.5, (index % 28) as f32 - 13.5 + shift);
        let (along, across) = (x * cosine + y * sine, y * cosine - x * sine);
        let distance = if label.is_multiple_of(2) {
            ((along * along + across * across * 2.0).sqrt() - 8.0).abs()
        } else {
            across.abs() + (along.abs() - 9.0).max(0.0)
        };
        (1.6 + blur - distance).clamp(0.0, 1.0 + blur) / (1.0 + blur)
    };
    (0..784).map(value).collect()
}

/// A filter-like picture: a wave in a soft window.
fn filter(unit: usize) -> Vec<f32> {
    let (sine, cosine) = (unit as f32 * 0.7).sin_cos();
    let (left, top) = ((unit * 5 % 17) as f32 + 5.0, (unit * 11 % 17) as f32 + 5.0);
    let value = |index: usize| {
        let (y, x) = ((index / 28) as f32 - top, (index % 28) as f32 - left);
        ((x * cosine + y * sine) * 0.7).sin() * (-(x * x + y * y) / 60.0).exp()
    };
    (0..784).map(value).collect()
}

fn history() -> Vec<EpochPoint> {
    let point = |epoch: usize| {
        let fall = 48.0 / (epoch as f64 + 0.6).powf(1.1);
        EpochPoint {
            epoch,
            train_loss: 2.4 + fall,
            held_out_loss: Some(3.0 + fall * 0.9 + 0.004 * epoch as f64),
        }
    };
    (1..=40).map(point).collect()
}

/// A full page of an autoencoder on pictures.
fn autoencoder() -> ReportInput {
    let rows: Vec<(usize, usize)> = (0..1500).map(|row| (row * 7919 % 10, row)).collect();
    // Sums of hashed numbers, near enough to a bell curve.
    let noise = |row: usize, salt: usize| {
        let part =
            |turn: usize| ((row * 12 + turn * 2 + salt + 1) as u32).wrapping_mul(2654435761).rotate_left(15);
        (0..6)
            .map(|turn| (part(turn).wrapping_mul(2246822519) >> 8) as f32 / (1 << 24) as f32 - 0.5)
            .sum::<f32>()
    };
    let point = |(label, row): &(usize, usize)| {
        let (sine, cosine) = (*label as f32 * 0.628).sin_cos();
        (cosine * 4.0 + noise(*row, 1), sine * 3.0 + noise(*row, 2))
    };
    let shown = rows.iter().take(18);
    ReportInput {
        title: "mnist-deep".into(),
        about: "MNIST, 784-1000-500-250-30 and back: the deep autoencoder of Hinton and Salakhutdinov".into(),
        facts: [
            ("data", "MNIST, 28 × 28 pixels"),
            ("rows", "54 000 training, 6 000 validation, 10 000 test"),
            ("network", "784-1000-500-250-30-250-500-1000-784"),
            ("parameters", "2 837 314"),
            ("optimiser", "adam, 0.001, cosine"),
            ("seed", "1"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .to_vec(),
        verdict: Some(Verdict {
            text: "Useful: on held-out digits it loses 78 % less than PCA with as many numbers.".into(),
            figures_are: "squared error a row on 10 000 test rows; lower is better".into(),
            figures: [("this model", 3.02, true), ("PCA, 30 units", 13.87, false), ("the mean", 52.7, false)]
                .map(|(name, value, is_model)| Figure { name: name.into(), value, is_model })
                .to_vec(),
            more: vec![("PSNR".into(), "21.50 dB".into())],
        }),
        history: history(),
        loss_name: "squared error a row".into(),
        best_epoch: Some(31),
        picture: Some(SHAPE),
        filter_picture: Some(SHAPE),
        comparison: Comparison {
            originals: shown.clone().map(|(label, row)| picture(*label, *row, 0.0)).collect(),
            reconstructions: shown.clone().map(|(label, row)| picture(*label, *row, 0.4)).collect(),
            pca: shown.clone().map(|(label, row)| picture(*label, *row, 3.0)).collect(),
            corrupted: shown.clone().map(|(label, row)| picture(*label, *row, 6.0)).collect(),
            cleaned: shown.clone().map(|(label, row)| picture(*label, *row, 1.0)).collect(),
            rivals: vec![(
                "<shallow>".into(),
                shown.map(|(label, row)| picture(*label, *row, 2.0)).collect(),
            )],
        },
        gradients: (0..4)
            .map(|layer| {
                let norm = |epoch: usize| 0.1f64.powi(4 - layer) / epoch as f64;
                (format!("encoder.{layer}"), (1..=40).map(|epoch| (epoch, norm(epoch))).collect())
            })
            .collect(),
        activations: Some(Histogram {
            from: -4.0,
            to: 4.0,
            counts: (0..48u64).map(|bin| 4000 / (1 + bin.abs_diff(24).pow(2))).collect(),
            about: "The values that code units take, on 1 500 test rows.".into(),
        }),
        filters: (0..64).map(filter).collect(),
        other_filters: vec![("<PCA>".into(), (0..16).map(filter).collect())],
        filters_of: 1000,
        words: None,
        codes: Some(CodeMap {
            points: rows.iter().map(point).collect(),
            labels: Some(rows.iter().map(|(label, _)| *label as u32).collect()),
            label_names: (0..10).map(|digit| digit.to_string()).collect(),
            thumbnails: rows.iter().map(|(label, row)| picture(*label, *row, 0.0)).collect(),
            axes: ["first principal direction (21 %)".into(), "second principal direction (14 %)".into()],
            about: "Each point is a test row: the first two principal directions of its 30 numbers.".into(),
        }),
        generated: Generated {
            map: (0..25).map(|row| picture(row % 10, row, 1.0)).collect(),
            samples: (0..8).map(|row| picture(row % 10, row, 2.0)).collect(),
            nearest: (0..8).map(|row| picture(row % 10, row, 0.0)).collect(),
        },
        classes: None,
        segmentation: None,
        followed: None,
        maps: vec![],
        recipe: "name = \"mnist-deep\"\n\n[model]\nhidden = [1000, 500, 250]\ncode = 30\n".into(),
    }
}

/// A full page of a classifier.
fn classifier() -> ReportInput {
    let confusion = (0..10)
        .map(|truth| {
            (0..10)
                .map(|guess| if truth == guess { 970 } else { (truth * 3 + guess * 5) % 7 / 3 * 4 })
                .collect()
        })
        .collect();
    let mistake = |row: usize| Mistake {
        row: picture(row % 10, row, 0.0),
        truth: row % 10,
        guess: (row * 3 + 1) % 10,
        confidence: 0.999 - row as f32 * 0.01,
    };
    ReportInput {
        title: "digits-16x16".into(),
        classes: Some(ClassFigures {
            names: (0..10).map(|digit| digit.to_string()).collect(),
            confusion,
            mistakes: (0..14).map(mistake).collect(),
        }),
        comparison: Comparison::default(),
        generated: Generated::default(),
        codes: None,
        verdict: Some(Verdict {
            text: "Useful: it names 98.4 % of the held-out digits; always naming the commonest would be right for 11.4 %.".into(),
            ..Verdict::default()
        }),
        ..autoencoder()
    }
}

/// A full page of an autoencoder on a table.
fn table() -> ReportInput {
    let row = |row: usize, wave: f32| -> Vec<f32> {
        (0..12).map(|column| ((column * (row + 2)) as f32 * 0.35).sin() * wave + row as f32 * 0.1).collect()
    };
    ReportInput {
        title: "measurements.csv".into(),
        picture: None,
        filter_picture: None,
        comparison: Comparison {
            originals: (0..12).map(|index| row(index, 1.0)).collect(),
            reconstructions: (0..12).map(|index| row(index, 0.95)).collect(),
            pca: (0..12).map(|index| row(index, 0.6)).collect(),
            ..Comparison::default()
        },
        filters: (0..16)
            .map(|unit| (0..12).map(|column| ((unit + column * 3) as f32).sin()).collect())
            .collect(),
        codes: autoencoder().codes.map(|codes| CodeMap {
            labels: None,
            label_names: vec![],
            thumbnails: vec![],
            ..codes
        }),
        ..autoencoder()
    }
}

/// A page of a segmenter of small pictures, with maps of two layers.
fn segmenter() -> ReportInput {
    let colours = |salt: usize| -> Vec<Vec<f32>> {
        (0..3)
            .map(|row| (0..28 * 28 * 3).map(|at| ((at * 7 + row + salt) % 5) as f32 / 4.0).collect())
            .collect()
    };
    let waves = |count: usize, size: usize| -> Vec<Vec<f32>> {
        (0..count).map(|map| (0..size).map(|at| ((at * (map + 1)) as f32).sin()).collect()).collect()
    };
    let layer = |name: &str, filters| LayerMaps {
        name: name.into(),
        size: [6, 5],
        maps: waves(10, 30),
        maps_of: 64,
        window: [3, 3],
        filters,
    };
    ReportInput {
        title: "streets".into(),
        segmentation: Some(SegmentedPictures {
            pictures: colours(0),
            truths: colours(1),
            told: colours(2),
            legend: vec![("road & path".into(), [200, 20, 20]), ("sky".into(), [0, 0, 255])],
            iou: vec![Some(0.625), None],
        }),
        followed: Some(("streets/1.png".into(), vec![0.5; 28 * 28])),
        maps: vec![
            layer("encoder.0: convolution 3×3", waves(10, 9)),
            layer("encoder.1: max-pool 2×2", vec![]),
        ],
        comparison: Comparison::default(),
        generated: Generated::default(),
        codes: None,
        ..autoencoder()
    }
}

/// The ids of the page's sections.
fn sections(html: &str) -> Vec<&str> {
    html.split("<section id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Every element is closed in the order of opening.
fn assert_balanced(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let body = html.split("<body>").nth(1).unwrap().split("<script>\n").next().unwrap();
    for tag in body.split('<').skip(1) {
        let name = tag.split([' ', '>', '\n', '/']).find(|name| !name.is_empty()).unwrap();
        let closed = tag.split('>').next().unwrap().ends_with('/');
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "after …{}", &tag[..tag.len().min(60)]);
        } else if !closed && name != "br" {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn each_kind_of_model_has_its_sections() {
    let cases = [
        (
            autoencoder(),
            vec!["verdict", "comparison", "curves", "codes", "generated", "filters", "layers", "recipe"],
        ),
        (classifier(), vec!["verdict", "classes", "curves", "filters", "layers", "recipe"]),
        (table(), vec!["verdict", "comparison", "curves", "codes", "filters", "layers", "recipe"]),
        (
            segmenter(),
            vec!["verdict", "segmentation", "curves", "filters", "feature-maps", "layers", "recipe"],
        ),
        (ReportInput::default(), vec![]),
    ];
    for (input, expected) in cases {
        let page = render(&input).unwrap();
        assert_eq!(sections(&page.html), expected, "{}", input.title);
        assert_balanced(&page.html);
        assert_eq!(page, render(&input).unwrap(), "equal inputs are equal pages");
    }
}

#[test]
fn the_page_asks_for_nothing_and_stays_light() {
    let page = render(&autoencoder()).unwrap().html;
    for forbidden in ["http:", "https:", "src=\"", "@import", "<link", "NaN", "inf\""] {
        assert!(!page.contains(forbidden), "{forbidden} is on the page");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("prefers-color-scheme: dark"));
    assert!(page.len() < 3_000_000, "{}", page.len());
}

#[test]
fn noisy_colour_pictures_stay_under_the_limit_too() {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let shape = PictureShape { height: 64, width: 64, channels: 3 };
    let mut rows = |count: usize| -> Vec<Vec<f32>> {
        (0..count).map(|_| (0..shape.values()).map(|_| noise()).collect()).collect()
    };
    let codes = CodeMap {
        points: (0..3000).map(|row| (row as f32, (row * row % 977) as f32)).collect(),
        thumbnails: rows(3000),
        ..CodeMap::default()
    };
    let input = ReportInput {
        picture: Some(shape),
        comparison: Comparison {
            originals: rows(24),
            reconstructions: rows(24),
            pca: rows(24),
            ..Comparison::default()
        },
        codes: Some(codes),
        ..ReportInput::default()
    };
    let page = render(&input).unwrap().html;
    assert!(page.contains("600 of 3\u{202f}000 rows are shown"));
    assert!(page.len() < 5_000_000, "even pure noise, which nothing compresses: {}", page.len());
}

#[test]
fn no_text_becomes_markup() {
    let evil = "</script><img src=x onerror=alert(1)>\"'";
    let mut input = autoencoder();
    input.title = evil.into();
    input.about = evil.into();
    input.loss_name = evil.into();
    input.recipe = evil.into();
    input.facts = vec![(evil.into(), evil.into())];
    let verdict = input.verdict.as_mut().unwrap();
    (verdict.text, verdict.figures_are) = (evil.into(), evil.into());
    verdict.figures[0].name = evil.into();
    let codes = input.codes.as_mut().unwrap();
    codes.label_names = vec![evil.into(); 10];
    codes.axes = [evil.into(), evil.into()];
    codes.about = evil.into();
    input.classes =
        classifier().classes.map(|classes| ClassFigures { names: vec![evil.into(); 10], ..classes });
    input.segmentation = segmenter().segmentation;
    input.segmentation.as_mut().unwrap().legend[0].0 = evil.into();
    input.maps = segmenter().maps;
    input.maps[0].name = evil.into();
    let page = render(&input).unwrap().html;
    assert!(!page.contains("<img"));
    assert!(!page.contains("</script><"));
    assert_balanced(&page);
}

#[test]
fn figures_and_baselines_are_on_the_page() {
    let page = render(&autoencoder()).unwrap().html;
    for text in ["3.02", "13.87", "52.7", "width:100.0%", "width:26.3%", "weights kept from epoch 31"] {
        assert!(page.contains(text), "{text} is missing");
    }
    let page = render(&classifier()).unwrap().html;
    assert!(page.contains("<b>0</b> taken for <b>1</b><br>99.9\u{202f}% sure"));
    assert!(page.contains("rows were given their class: 9"));
}

#[test]
fn many_classes_are_listed_by_their_commonest_confusions() {
    let mut confusion = vec![vec![0; 100]; 100];
    confusion[3][3] = 50;
    confusion[3][4] = 2;
    confusion[7][1] = 9;
    let input = ReportInput {
        classes: Some(ClassFigures { confusion, ..ClassFigures::default() }),
        ..ReportInput::default()
    };
    let page = render(&input).unwrap().html;
    assert!(page.contains("50 of 61 rows"));
    let first = page.find("<td>7</td><td>1</td><td>9</td>").unwrap();
    let second = page.find("<td>3</td><td>4</td><td>2</td>").unwrap();
    assert!(first < second);
    assert!(!page.contains("class=\"confusion\""));
}

#[test]
fn values_that_are_no_numbers_are_left_out() {
    let mut input = autoencoder();
    input.history[3].train_loss = f64::NAN;
    input.history[4].held_out_loss = Some(f64::INFINITY);
    let codes = input.codes.as_mut().unwrap();
    codes.points[7] = (f32::NAN, 1.0);
    input.verdict.as_mut().unwrap().figures[0].value = f64::NAN;
    let page = render(&input).unwrap().html;
    assert!(!page.contains("NaN") && !page.contains("inf\""));
    assert_balanced(&page);
}

#[test]
fn a_picture_of_another_shape_is_an_error() {
    let mut input = autoencoder();
    input.comparison.pca[5].pop();
    let error = render(&input).unwrap_err();
    assert_eq!(error.to_string(), "pca-reconstructions: expected 784 values in a picture, found 783");
}

/// The width and height of a PNG file that decodes to its end.
fn decoded_size(picture: &std::path::Path) -> (u32, u32) {
    let file = std::io::BufReader::new(std::fs::File::open(picture).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut bytes).unwrap();
    reader.info().size()
}

#[test]
fn the_files_are_the_page_and_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let files = write_report(&autoencoder(), &path).unwrap();
    assert_eq!(std::fs::read_to_string(&files.page).unwrap(), render(&autoencoder()).unwrap().html);
    let names: Vec<_> = files
        .pictures
        .iter()
        .map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "report-pictures/originals.png",
            "report-pictures/reconstructions.png",
            "report-pictures/pca-reconstructions.png",
            "report-pictures/corrupted.png",
            "report-pictures/cleaned.png",
            "report-pictures/rival-1.png",
            "report-pictures/rows.png",
            "report-pictures/decoded.png",
            "report-pictures/samples.png",
            "report-pictures/nearest.png",
            "report-pictures/filters.png",
            "report-pictures/filters-2.png",
        ]
    );
    let sizes: Vec<_> = files.pictures.iter().map(|picture| decoded_size(picture)).collect();
    assert_eq!(sizes[0], (6 * 29 - 1, 3 * 29 - 1));
}

#[test]
fn a_report_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let error = write_report(&autoencoder(), &file.join("report.html")).unwrap_err();
    assert!(matches!(error, ReportError::Folder { .. }));
    assert!(!error.hint().is_empty());
    let error = write_report(&ReportInput::default(), &file.join("report.html")).unwrap_err();
    assert!(matches!(error, ReportError::Write(_)));
}

/// A sheet's name is a class of the page: one that is something else's, too, would put its pictures there.
#[test]
fn sheets_have_classes_of_their_own() {
    let all = ReportInput {
        segmentation: segmenter().segmentation,
        followed: segmenter().followed,
        maps: segmenter().maps,
        classes: classifier().classes,
        ..autoencoder()
    };
    let page = render(&all).unwrap();
    let style = page.html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    for (name, _) in &page.pictures {
        let class = format!(".{}{{", name.trim_end_matches(".png"));
        let spaced = class.replace('{', " ");
        assert_eq!(style.matches(&class).count() + style.matches(&spaced).count(), 1, "{class}");
    }
}

#[test]
fn segmentation_has_a_legend_and_layers_their_maps_and_windows() {
    let page = render(&segmenter()).unwrap();
    assert!(page.html.contains("road &amp; path 62 %") && page.html.contains("rgb(0,0,255)\">sky<"));
    assert!(page.html.contains("10 of 64 maps."));
    let names: Vec<&str> = page.pictures.iter().map(|(name, _)| name.as_str()).collect();
    assert!(page.html.contains("<h3>streets/1.png</h3>"));
    assert!(page.html.contains("<dt>PSNR</dt><dd>21.50 dB</dd>"));
    for name in [
        "truths.png",
        "told.png",
        "followed.png",
        "layer-0-maps.png",
        "layer-0-windows.png",
        "layer-1-maps.png",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.contains(&"layer-1-windows.png"));
}

#[test]
fn units_that_read_texts_are_told_by_their_words() {
    let words = ["sea", "<cat>", "dog", "ship"].map(String::from).to_vec();
    let filters = vec![vec![0.5, -1.0, 0.0, 0.75], vec![-0.1, 0.3, 0.2, -0.2]];
    let input = ReportInput { words: Some(words), filters, filters_of: 7, picture: None, ..autoencoder() };
    let section = filters::section(&input, &mut Vec::new()).unwrap().unwrap();
    assert!(section.html.contains("<li>ship, sea</li>\n<li>&lt;cat&gt;, dog</li>"), "{}", section.html);
    assert!(section.html.contains("2 of 7 units"), "{}", section.html);
}
