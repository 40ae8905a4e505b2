#include "train/run/run_saver.h"

#include <cmath>

#include <torch/torch.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using test::FileSizeLimit;
using test::TemporaryFolder;

TEST_CASE("the third save in a row that fails is an error, and one that succeeds begins the count anew") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  RunLog log(folder);
  RunSaver saver(folder);
  const RunState state{.tensors = {{"weights", torch::ones({50'000})}}, .facts = {}, .model_metadata = {}, .step = 7};
  const auto fail_twice = [&] {
    const FileSizeLimit limit(50'000);
    for (int i = 0; i < 2; ++i) CHECK_NOTHROW(saver.try_to_save(state, log));
  };
  fail_twice();
  CHECK_FALSE(saver.has_saved());
  saver.try_to_save(state, log);
  CHECK(saver.last_durable() == "last durable step 7: " + folder.last().string());
  fail_twice();
  const FileSizeLimit limit(50'000);
  CHECK_THROWS_AS(saver.try_to_save(state, log), IoError);
}

TEST_CASE("a state that is not finite is never written") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  RunLog log(folder);
  RunSaver saver(folder);
  for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
    const RunState state{.tensors = {{"moment", torch::tensor({1.0, bad})}}, .facts = {}, .model_metadata = {}};
    CHECK_THROWS_AS(saver.try_to_save(state, log), DivergedError);
    CHECK_THROWS_WITH(saver.save(state, log), Catch::Contains("moment is not finite"));
  }
  CHECK_FALSE(std::filesystem::exists(folder.last()));
}

}  // namespace rtdetr
