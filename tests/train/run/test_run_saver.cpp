#include "train/run/run_saver.h"

#include <cmath>
#include <future>

#include <torch/types.h>
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
  const RunState state{
      .tensors = {{"weights", torch::ones({50'000})}}, .arrive = {}, .facts = {}, .model_metadata = {}, .step = 7};
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

TEST_CASE("a state that is on its way is written when it has arrived, while the run goes on") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  RunLog log(folder);
  RunSaver saver(folder);
  std::promise<void> copied;
  const torch::Tensor host = torch::zeros({4});
  const auto arrive = [arrived = copied.get_future().share()] { arrived.wait(); };
  saver.try_to_save({.tensors = {{"weights", host}}, .arrive = arrive, .facts = {}, .model_metadata = {}, .step = 3},
                    log);
  CHECK_FALSE(saver.has_settled());
  CHECK_FALSE(saver.has_saved());
  host.fill_(5);  // the copy's end
  copied.set_value();
  saver.settle();
  CHECK(saver.last_durable() == "last durable step 3: " + folder.last().string());
  CHECK(torch::equal(load_tensors(folder.last()).tensors.at("weights"), torch::full({4}, 5.0f)));
  CHECK_FALSE(saver.has_settled());
}

TEST_CASE("a save that fails beside the run counts among those in a row, and its numbers are looked at too") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  RunLog log(folder);
  RunSaver saver(folder);
  const auto on_its_way = [](torch::Tensor tensor) {
    return RunState{
        .tensors = {{"weights", std::move(tensor)}}, .arrive = [] {}, .facts = {}, .model_metadata = {}, .step = 1};
  };
  {
    const FileSizeLimit limit(50'000);
    for (int i = 0; i < 2; ++i) saver.try_to_save(on_its_way(torch::ones({50'000})), log);
    CHECK_NOTHROW(saver.settle());
    saver.try_to_save(on_its_way(torch::ones({50'000})), log);
    CHECK_THROWS_AS(saver.settle(), IoError);
  }
  saver.try_to_save(on_its_way(torch::full({2}, std::nan(""))), log);
  CHECK_THROWS_AS(saver.settle(), DivergedError);
  CHECK_FALSE(saver.has_saved());
}

TEST_CASE("a best state that cannot be written waits for the next save, as it was") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  RunLog log(folder);
  RunSaver saver(folder);
  const torch::Tensor weights = torch::ones({50'000});
  {
    const FileSizeLimit limit(50'000);
    saver.keep_best_state({{"weights", weights}}, {{"seed", "3"}});
    CHECK_THROWS_AS(saver.settle_best_state(), IoError);
  }
  weights.fill_(2);  // training goes on
  CHECK_FALSE(std::filesystem::exists(folder.best_state()));
  SECTION("the next save") {
    saver.save({.tensors = {{"weights", weights}}, .arrive = {}, .facts = {}, .model_metadata = {}, .step = 7}, log);
  }
  SECTION("the run goes back before that") { saver.settle_best_state(); }
  CHECK(torch::equal(load_best_state(folder, {{"seed", "3"}}).at("weights"), torch::ones({50'000})));
  CHECK_THROWS_WITH(load_best_state(folder, {{"seed", "4"}}), Catch::Contains("of another run, which has seed=3;"));
}

TEST_CASE("a state that is not finite is never written") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  RunLog log(folder);
  RunSaver saver(folder);
  for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
    const RunState state{
        .tensors = {{"moment", torch::tensor({1.0, bad})}}, .arrive = {}, .facts = {}, .model_metadata = {}};
    CHECK_THROWS_AS(saver.try_to_save(state, log), DivergedError);
    CHECK_THROWS_WITH(saver.save(state, log), Catch::Contains("moment is not finite"));
  }
  CHECK_FALSE(std::filesystem::exists(folder.last()));
}

}  // namespace rtdetr
