// Writes models as ONNX for tests/interop/onnx_zoo.py, each with what our own program computes of two pictures:
//   rtdetr_write_onnx FOLDER SIZES NUDGES MODEL…    FOLDER/MODEL.onnx (outputs=raw) and FOLDER/MODEL.safetensors
// SIZES: one, "320x320", or several, "320x320,256x384", of a file whose height and width are free; tensors are called
// images, logits, boxes and, of models that select any, tokens, followed by "/" and the size. NUDGES: how often the
// pictures are computed once more, moved by a millionth; of those the outputs alone, followed by "/" and 1, 2, … too.
#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdio>
#include <filesystem>
#include <sstream>

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

std::vector<ImageSize> sizes_of(const std::string& words) {
  std::vector<ImageSize> sizes;
  std::istringstream list(words);
  for (std::string word; std::getline(list, word, ',');)
    sizes.push_back({std::stoll(word), std::stoll(word.substr(word.find('x') + 1))});
  return sizes;
}

void compute(DetectionModel& model, const Tensor& images, const std::string& end, TensorMap& tensors) {
  const ModelOutput output = model->forward(images);
  tensors["logits" + end] = output.layers.back().logits;
  tensors["boxes" + end] = output.layers.back().boxes_cxcywh;
  if (output.topk_indices.defined()) tensors["tokens" + end] = output.topk_indices;
}

void write(const std::filesystem::path& folder, const std::vector<ImageSize>& sizes, int nudges,
           const std::string& name) {
  const torch::NoGradGuard no_grad;
  DetectionModel model = build_model(load_model_spec(name));
  test::fill_by_rule(*model);
  model->fuse();
  TensorMap tensors;
  for (const ImageSize& size : sizes) {
    const std::vector<std::int64_t> shape = {2, 3, size.height, size.width};
    const Tensor images = test::images_by_key("onnx", shape).to(torch::kFloat32);
    const std::string end = "/" + std::to_string(size.height) + "x" + std::to_string(size.width);
    tensors["images" + end] = images;
    compute(model, images, end, tensors);
    for (int k = 1; k <= nudges; ++k) {
      const std::string number = std::to_string(k);
      const Tensor noise = test::uniform_by_key("nudge " + number, shape) - 0.5;
      compute(model, (images + 2e-6 * noise).to(torch::kFloat32), end + "/" + number, tensors);
    }
  }
  const OnnxExport written =
      make_onnx_model(*model, {.size = sizes.front(), .free_size = sizes.size() > 1, .outputs = OnnxOutputs::kRaw});
  write_onnx(folder / (name + ".onnx"), written.model);
  save_tensors(folder / (name + ".safetensors"), tensors,
               {{"tokens", written.tokens}, {"weights", std::to_string(state_bytes(*model))}});
}

}  // namespace
}  // namespace rtdetr

int main(int count, char** words) {
  try {
    for (int k = 4; k < count; ++k) rtdetr::write(words[1], rtdetr::sizes_of(words[2]), std::stoi(words[3]), words[k]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
