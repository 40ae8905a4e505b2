#include "train/run/run_checkpoint.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using test::TemporaryFolder;

namespace {

/// A state so large that `count` of them fill the folder's disk. Its numbers share one place in memory.
TensorMap share_of_disk(const RunFolder& folder, double count) {
  const auto bytes = static_cast<double>(std::filesystem::space(folder.path()).available) / count;
  return {{"weights", torch::zeros({1}).expand({static_cast<std::int64_t>(bytes / sizeof(float))})}};
}

}  // namespace

TEST_CASE("a run begins where two of its states have room, and one more for the best state of a last stage") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  CHECK_NOTHROW(require_space(folder, share_of_disk(folder, 2.5), /*with_best=*/false));
  CHECK_THROWS_AS(require_space(folder, share_of_disk(folder, 2.5), /*with_best=*/true), IoError);
  CHECK_NOTHROW(require_space(folder, share_of_disk(folder, 3.5), /*with_best=*/true));
  CHECK_THROWS_AS(require_space(folder, share_of_disk(folder, 1.5), /*with_best=*/false), IoError);
}

TEST_CASE("states that are there already need no room") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  write_text_atomically(folder.best_state(), "");
  CHECK_NOTHROW(require_space(folder, share_of_disk(folder, 2.5), /*with_best=*/true));
  for (const auto& file : {folder.last(), folder.previous()}) write_text_atomically(file, "");
  CHECK_NOTHROW(require_space(folder, share_of_disk(folder, 1.5), /*with_best=*/true));
}

TEST_CASE("a best state is taken by the run that wrote it, with keys that only one of two versions has") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  save_best_state(folder, {{"weights", torch::ones({3})}}, {{"lr0", "0.1"}, {"older", "1"}});
  CHECK(torch::equal(load_best_state(folder, {{"lr0", "0.1"}, {"newer", "2"}}).at("weights"), torch::ones({3})));
  CHECK_NOTHROW(check_best_state(folder, {{"lr0", "0.1"}}));
  CHECK_THROWS_AS(check_best_state(folder, {{"lr0", "0.2"}}), CheckpointError);
  save_tensors(folder.best_state(), {{"weights", torch::ones({3})}}, {});  // by a version that told nothing
  CHECK_NOTHROW(check_best_state(folder, {{"lr0", "0.2"}}));
}

}  // namespace rtdetr
