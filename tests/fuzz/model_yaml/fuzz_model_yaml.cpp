#include "models/graph/model_files.h"
#include "models/graph/model_spec.h"
#include "models/graph/resolve.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const ModelSpec spec = parse_model_spec(std::string(fuzz::text_of(data, size)), "m.yaml");
    fuzz::expect(spec.num_classes >= 1 && !spec.rows.empty());
    // What a checkpoint would hold after overrides is a model file again.
    BuildOptions options;
    options.num_classes = 3;
    options.decoder_layers = 1;
    fuzz::expect(resolve_spec(spec, options).num_classes == 3);
  });
}
