// Learning as a whole, through the program: from drawn weights to what a run is for.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/train/program/command_line.h"

namespace rtdetr::test {

using nlohmann::json;

TEST_CASE("D-FINE-N learns eight pictures by heart, and a cut of it has the AP that its layer had") {
  const Scratch scratch;
  const Result trained =
      run(scratch,
          "train model=dfine-n cfg=overfit data=bccd_overfit8 imgsz=256 batch=2 epochs=40 val_every=40 "
          "threads=1 plots=false quiet=true project=" +
              scratch.file("runs"));
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  const std::string val = "val data=bccd_overfit8 imgsz=256 threads=1 plots=false json=true model=" +
                          scratch.file("runs/exp/best.safetensors");
  const json whole = document_of(run(scratch, val));
  CHECK(whole["stats"][1].get<double>() >= 0.95);  // AP50
  REQUIRE(whole["layers"].size() == 4);            // the selection, too
  for (const std::size_t layers : {1, 2}) {
    const json cut = document_of(run(scratch, val + " decoder_layers=" + std::to_string(layers)));
    CHECK(cut["stats"] == whole["layers"][layers]["stats"]);
    CHECK(cut["stats"][1].get<double>() >= 0.95);
  }
}

}  // namespace rtdetr::test
