//! scratch
use narrows::{apply::*, data, recipe::Recipe, train::*};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let sets: Vec<(String, String)> =
        a[3..].iter().map(|s| s.split_once('=').map(|(a, b)| (a.into(), b.into())).unwrap()).collect();
    let recipe = Recipe::parse(Recipe::built_in(&a[1]).unwrap(), &sets).unwrap();
    let path = (a[2] != "-").then(|| std::path::PathBuf::from(&a[2]));
    let t = std::time::Instant::now();
    let source = data::load(path.as_deref(), &recipe.data.options(recipe.train.seed)).unwrap();
    let compute = Compute::new(2).unwrap();
    let setup = Setup::new(&recipe, source).unwrap();
    let mut trainer = Trainer::new(setup, &compute).unwrap();
    println!("setup {:?} {:?}", t.elapsed(), trainer.prediction());
    let t = std::time::Instant::now();
    let r = trainer.train(std::path::Path::new("/tmp/try.ck"), &mut |e| {
        if let Event::Epoch { record, .. } = e {
            println!("{:?} {:?}", t.elapsed(), record);
        }
        Signal::Continue
    });
    println!("{r:?}");
    let (model, setup) = trainer.finish().unwrap();
    let codec = Codec::new(model, &compute).unwrap();
    let t = std::time::Instant::now();
    let e = evaluate(
        &codec,
        setup.split.test_dataset(&setup.source),
        &setup.split.test,
        (&setup.source.train, &setup.split.train),
        &compute,
    )
    .unwrap();
    println!("{:?} {}", t.elapsed(), e.verdict);
}
