const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

fn main() {
    println!("data: {DATA}");
}
