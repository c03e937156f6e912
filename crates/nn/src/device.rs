//! Where tensors live.

use burn::backend::DispatchDevice;
use burn::tensor::{Device, DeviceType};

use crate::NnError;

/// The device named `auto`, `cpu`, `gpu` or `gpu:N`.
///
/// `auto` is the first GPU when the program was built for one and the machine has it, else the CPU.
///
/// # Errors
/// An unknown name, or a GPU that this build or machine does not have.
pub fn open(name: &str) -> Result<Device, NnError> {
    match name {
        "cpu" => Ok(Device::flex()),
        "auto" => Ok(gpu(0).unwrap_or_else(|_| Device::flex())),
        "gpu" => gpu(0),
        other => match other.strip_prefix("gpu:").map(str::parse::<usize>) {
            Some(Ok(index)) => gpu(index),
            _ => Err(NnError::Unknown {
                kind: "device",
                got: name.into(),
                known: "auto, cpu, gpu, gpu:N".into(),
            }),
        },
    }
}

/// Whether tensors on `device` live in this program's memory and run on our own kernels.
pub fn is_cpu(device: &Device) -> bool {
    matches!(device.clone().without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
}

/// The GPU back ends in this build, each with the number of devices it finds on this machine.
pub fn gpu_back_ends() -> Vec<(&'static str, usize)> {
    kinds().into_iter().map(|(name, kind)| (name, Device::enumerate(kind).into_vec().len())).collect()
}

fn kinds() -> Vec<(&'static str, DeviceType)> {
    vec![
        #[cfg(feature = "cuda")]
        ("cuda", DeviceType::Cuda),
        #[cfg(feature = "rocm")]
        ("rocm", DeviceType::Rocm),
        #[cfg(feature = "metal")]
        ("metal", DeviceType::Metal),
        #[cfg(feature = "vulkan")]
        ("vulkan", DeviceType::Vulkan),
        #[cfg(feature = "webgpu")]
        ("webgpu", DeviceType::WebGpu),
    ]
}

/// The GPUs that this build can reach.
fn gpus() -> Vec<Device> {
    kinds().into_iter().flat_map(|(_, kind)| Device::enumerate(kind).into_vec()).collect()
}

fn gpu(index: usize) -> Result<Device, NnError> {
    let mut found = gpus();
    if index < found.len() {
        return Ok(found.swap_remove(index));
    }
    Err(NnError::Device { got: format!("gpu:{index}"), reason: format!("{} GPU(s) found", found.len()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there_and_bad_names_are_refused() {
        assert!(is_cpu(&open("cpu").unwrap()));
        assert!(is_cpu(&open("cpu").unwrap().autodiff()));
        let error = open("tpu").unwrap_err().to_string();
        assert!(error.contains("tpu") && error.contains("gpu:N"), "{error}");
        assert!(open("gpu:12345").unwrap_err().hint().unwrap().contains("vulkan"));
    }
}
