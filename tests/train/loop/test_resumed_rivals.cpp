#include <catch2/catch.hpp>

#include "tests/support/compared_runs.h"
#include "tests/support/data_files.h"
#include "tests/support/micro_run.h"
#include "tests/support/rival_models.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr::test {
namespace {

/// 100 steps of two pictures, stopped in their middle and continued: the same weights, average and moments, losses and
/// table.
void check_resumed_run(const TemporaryFolder& temp, const std::string& model) {
  Settings settings = make_micro_run(temp.path(), {.pictures = 20});
  settings.model = model;
  settings.batch = 2;
  settings.epochs = 10;
  settings.val = false;
  const RunOutcome whole = train_here(settings, "whole");
  REQUIRE(whole.end == RunOutcome::End::kFinished);
  REQUIRE(whole.steps == 100);
  check_stops(settings, {50});
}

std::string written(const TemporaryFolder& temp, const std::string& yaml) {
  write_file(temp / "rival.yaml", yaml);
  return (temp / "rival.yaml").string();
}

}  // namespace

TEST_CASE("YOLOv8n stopped in the middle of 100 steps and continued ends in the same bits") {
  check_resumed_run(TemporaryFolder(), "yolov8n");
}

TEST_CASE("a DINO stopped in the middle of 100 steps and continued ends in the same bits") {
  const TemporaryFolder temp;
  check_resumed_run(temp, written(temp, small_dino(kTinyRival)));
}

TEST_CASE("a plain transformer that drops paths, stopped in the middle of 100 steps, ends in the same bits") {
  const TemporaryFolder temp;
  check_resumed_run(temp, written(temp, small_vit(kTinyRival)));
}

TEST_CASE("a DINO on a plain transformer, stopped in the middle of 100 steps, ends in the same bits") {
  const TemporaryFolder temp;
  check_resumed_run(temp, written(temp, small_dino_vit(kTinyRival)));
}

}  // namespace rtdetr::test
