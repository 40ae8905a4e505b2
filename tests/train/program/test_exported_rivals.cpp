// Models that are none of RT-DETR's, exported after some steps.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "tests/support/data_files.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/rival_models.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr::test {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::size_t entries_of(const fs::path& file) { return SafetensorsReader(file).entries().size(); }

/// One epoch, whose steps leave statistics that are no initial ones, then the fused file against the plain model, and a
/// graph of the model on pictures.
/// @return  entries that folding has saved
std::size_t check_fused_rival(const std::string& name, const std::string& model, const std::string& fit = "stretch") {
  CAPTURE(name);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path(), {.pictures = 8});
  settings.model = model;
  if (model.starts_with("nc:")) {
    settings.model = (temp / (name + ".yaml")).string();
    write_file(settings.model, model);
  }
  const ProgramResult trained = run_program(micro_command(settings, "exp", {{"epochs", "1"}, {"fit", fit}}));
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  const fs::path best = fs::path(settings.project) / "exp/best.safetensors", fused = temp / "fused.safetensors";
  const ProgramResult exported =
      run_program({"export", "model=" + best.string(), "format=safetensors", "json=true", "output=" + fused.string()});
  INFO(exported.err);
  REQUIRE(exported.code == 0);
  CHECK(json::parse(exported.out)["max_abs_diff"] < 1e-4);
  const ProgramResult found =
      run_program({"val", "model=" + fused.string(), "data=" + settings.data, "json=true", "plots=false"});
  INFO(found.err);
  CHECK(found.code == 0);
  const ProgramResult graph =
      run_program({"export", "model=" + best.string(), "format=onnx", "outputs=raw", "json=true",
                   "verify=" + settings.data, "output=" + (temp / "graph.onnx").string()});
  INFO(graph.err);
  REQUIRE(graph.code == 0);
  CHECK(json::parse(graph.out)["max_abs_diff"] < 1e-4);
  CHECK((graph.err.find("an ONNX file stretches pictures") != std::string::npos) == (fit == "keep_ratio"));
  return entries_of(best) - entries_of(fused);
}

}  // namespace

TEST_CASE("YOLOv8n, a DINO and a plain transformer are exported fused, and the files work") {
  CHECK(check_fused_rival("yolo", "yolov8n") >= 57U * 4);  // of its 57 batch norms five entries go, a bias comes
  CHECK(check_fused_rival("dino", small_dino(kTinyRival), "keep_ratio") > 0);
  CHECK(check_fused_rival("vit", small_vit(kTinyRival)) > 0);
}

}  // namespace rtdetr::test
