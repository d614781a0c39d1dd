//! Vendored: what is served of others is what they have published, to the byte.

use crate::scripts;
use std::path::Path;

/// Each file of ours with the one in its npm package.
const FILES: [(&str, &str); 10] = [
    ("wavesurfer/wavesurfer.esm.js", "wavesurfer.js/dist/wavesurfer.esm.js"),
    ("wavesurfer/regions.esm.js", "wavesurfer.js/dist/plugins/regions.esm.js"),
    ("wavesurfer/timeline.esm.js", "wavesurfer.js/dist/plugins/timeline.esm.js"),
    ("wavesurfer/LICENSE", "wavesurfer.js/LICENSE"),
    ("tus/tus.min.js", "tus-js-client/dist/tus.min.js"),
    ("tus/LICENSE", "tus-js-client/LICENSE"),
    // What its minified file has in it.
    ("tus/LICENSE-js-base64", "js-base64/LICENSE.md"),
    ("tus/LICENSE-url-parse", "url-parse/LICENSE"),
    ("tus/LICENSE-querystringify", "querystringify/LICENSE"),
    ("tus/LICENSE-requires-port", "requires-port/LICENSE"),
];

#[test]
fn the_scripts_of_others_are_as_they_were_published() {
    let packages = scripts().join("node_modules");
    assert!(packages.is_dir(), "{} is missing: run deploy/install --tests", packages.display());
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ingest/pages/vendor");
    for (here, there) in FILES {
        let read =
            |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(read(&ours.join(here)) == read(&packages.join(there)), "{here} is not {there}");
    }
    let kept: usize = ["wavesurfer", "tus"]
        .iter()
        .map(|folder| std::fs::read_dir(ours.join(folder)).expect("a folder").count())
        .sum();
    assert_eq!(kept, FILES.len(), "a file in {} is compared with nothing", ours.display());
}
