#include "core/io/safetensors_header.h"
#include "models/graph/resolve.h"
#include "models/weights/checkpoint.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

/// The header of a model file of ours, without tensors: what its metadata say of classes, preprocessing and model.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const std::string text(fuzz::text_of(data, size));
    const ModelInfo info = to_model_info(parse_safetensors_header(text, 0, "m.safetensors").metadata, "m.safetensors");
    fuzz::expect(info.names.size() == info.category_ids.size() && info.height > 0 && info.width > 0);
    // What was read can be written, and is then read as the same.
    const FileMetadata written = to_metadata(info);
    fuzz::expect(to_metadata(to_model_info(written, "again")) == written);
    const ModelSpec spec = model_spec_of(info, "m.safetensors");
    fuzz::expect(spec.num_classes == info.num_classes);
    BuildOptions options;
    options.decoder_layers = 1;
    resolve_spec(spec, options);
  });
}
