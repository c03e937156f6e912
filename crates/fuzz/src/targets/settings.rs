//! Settings: a configuration file, and the lines of it as `key=value` of the command line.

use std::io::{self, Write};

use tempfile::NamedTempFile;
use toml::Table;
use twinlens::commands::spec::{finetune_spec, is_finetuning, spec};
use twinlens_config::{Report, Request, Resolved};

use crate::Target;
use crate::check::plain;

pub(super) const TARGET: Target = Target {
    name: "settings",
    about: "a configuration file (TOML)",
    run,
    memory: |len| (32 << 20) + 1024 * len,
    seeds,
};

/// More settings than these take long and show no more.
const MOST: usize = 8;

fn run(bytes: &[u8]) -> Result<(), String> {
    let file = written(bytes).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(bytes);
    let files = vec![file.path().to_owned()];
    let sets = text.lines().take(MOST).map(str::to_owned).collect();
    for request in [Request { files, ..Request::default() }, Request { sets, ..Request::default() }] {
        if is_finetuning(&text) {
            resolved(finetune_spec().resolve(&request))?;
        } else {
            resolved(spec().resolve(&request))?;
        }
    }
    Ok(())
}

fn written(bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::with_suffix(".toml")?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Settings that are sound are the same after they were written and read; mistakes can be shown.
fn resolved<T>(result: Result<Resolved<T>, Report>) -> Result<(), String> {
    let resolved = match result {
        Ok(resolved) => resolved,
        Err(report) if report.is_empty() => return Err("a refusal without a reason".into()),
        // As long as there are mistakes.
        Err(report) => return plain("report", &report.to_string().replace('\n', " ")),
    };
    for text in [resolved.to_toml(), resolved.to_toml_with_origins()] {
        let read: Table =
            text.parse().map_err(|error| format!("settings that cannot be read back: {error}\n{text}"))?;
        if read != resolved.table {
            return Err(format!("settings that change when they are written: {text}"));
        }
    }
    Ok(())
}

fn seeds() -> io::Result<Vec<Vec<u8>>> {
    let texts = [
        "data = \"blood.npz\"\nmethod = \"simclr\"\nepochs = 100\n[optim]\nlr = 0.3\n",
        "method = \"byol\"\npolicy = \"imagenet\"\n[data_options]\nrange = [0, 4095]\nsplits = \"drawn\"\n",
        "[method]\nname = \"weighted-sum\"\n[[method.terms]]\nname = \"simclr\"\nweight = 1\nviews = 2\n[optim]\nname = \"lars\"\nlr = 1\n",
        "method = \"byol\"\nstem = \"cifar\"\n[projector]\nlayers = 2\n[methods.vicreg]\ngamma = 1\n[optim]\neta = 0.1\n",
        "seed = 7\nviews = [{ size = 32, operations = [{ op = \"flip\", p = 0.5 }] }]\n",
        "[about]\ntitle = \"x\"\n[data_options.split_folders]\ntrain = [\"seg_train\"]\n",
        "views.0.color_jitter.hue=0.3\noptim.lr=0.1\n",
        "encoder = \"resnet18\"\nbatch_size = -1\nepochs = \"many\"\nnothing = 1\n",
        "[[stages]]\nepochs = 3\n[data_options]\nlayout = \"nchw\"\nignore_labels = [255]\n",
    ];
    let recipes = twinlens_ssl::recipes::RECIPES.iter().chain(twinlens_ssl::finetune::recipes::RECIPES);
    let recipes = recipes.map(|(_, text)| *text).filter(|text| text.len() < 3000).step_by(6);
    Ok(texts.into_iter().chain(recipes).map(|text| text.as_bytes().to_vec()).collect())
}
