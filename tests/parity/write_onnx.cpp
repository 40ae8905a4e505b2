// Writes models as ONNX for tests/interop/onnx_zoo.py, each with what our own program computes of two pictures:
//   rtdetr_write_onnx FOLDER SIDE MODEL…     FOLDER/MODEL.onnx (outputs=raw) and FOLDER/MODEL.safetensors
#include <torch/torch.h>

#include <cstdio>
#include <filesystem>

#include "core/onnx/onnx_file.h"
#include "core/tensor/tensor_file.h"
#include "models/deploy/onnx/outputs.h"
#include "models/graph/model_files.h"
#include "tests/support/fill.h"

namespace rtdetr {
namespace {

std::int64_t state_bytes(const torch::nn::Module& model) {
  std::int64_t bytes = 0;
  for (const Tensor& parameter : model.parameters()) bytes += static_cast<std::int64_t>(parameter.nbytes());
  return bytes;
}

void write(const std::filesystem::path& folder, std::int64_t side, const std::string& name) {
  const torch::NoGradGuard no_grad;
  DetectionModel model = build_model(load_model_spec(name));
  test::fill_by_rule(*model);
  model->fuse();
  const Tensor images = test::images_by_key("onnx", {2, 3, side, side}).to(torch::kFloat32);
  const ModelOutput output = model->forward(images);
  const ImageSize size{static_cast<int>(side), static_cast<int>(side)};
  const OnnxExport written = make_onnx_model(*model, {.size = size, .outputs = OnnxOutputs::kRaw});
  write_onnx(folder / (name + ".onnx"), written.model);
  save_tensors(folder / (name + ".safetensors"),
               {{"images", images},
                {"logits", output.layers.back().logits},
                {"boxes", output.layers.back().boxes_cxcywh},
                {"tokens", output.topk_indices}},
               {{"tokens", written.tokens}, {"weights", std::to_string(state_bytes(*model))}});
}

}  // namespace
}  // namespace rtdetr

int main(int count, char** words) {
  try {
    for (int k = 3; k < count; ++k) rtdetr::write(words[1], std::stoll(words[2]), words[k]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
