//! Every libFuzzer target: the name of the binary is that of the API.
#![no_main]

mod target;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let named = |target: &&target::Target| format!("{:?}", target.api) == env!("CARGO_BIN_NAME");
    let target = target::TARGETS.iter().find(named);
    target.expect("the binary is named as an API").run(frame);
});
