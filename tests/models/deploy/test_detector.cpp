#include "models/deploy/detector.h"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <limits>
#include <span>
#include <thread>

#include "core/base/cpu_level.h"
#include "core/base/error.h"
#include "core/base/precision.h"
#include "core/image/fit.h"
#include "core/image/image_view.h"
#include "core/image/picture.h"
#include "core/image/resize.h"
#include "core/image/rgb_rows.h"
#include "core/io/file.h"
#include "core/tensor/tensor_file.h"
#include "models/weights/checkpoint.h"
#include "tests/models/tiny_model.h"
#include "tests/support/devices.h"
#include "tests/support/temporary_folder.h"

using Catch::Contains;
using rtdetr::Detection;
using rtdetr::Detector;
using rtdetr::DetectorOptions;
using rtdetr::ImageView;
using rtdetr::Picture;
using rtdetr::PixelFormat;
using rtdetr::Precision;
using rtdetr::RgbView;
using rtdetr::test::TemporaryFolder;

namespace {

std::filesystem::path save_tiny(const TemporaryFolder& folder) {
  return rtdetr::test::save_tiny_model(folder / "tiny.safetensors", 64, 96);
}

Picture gradient_picture(int width, int height) {
  Picture picture(width, height);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 7);
  return picture;
}

RgbView view(const Picture& picture) { return picture; }

bool same(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Detection& x, const Detection& y) {
    return x.x0 == y.x0 && x.y1 == y.y1 && x.score == y.score && x.label == y.label;
  });
}

}  // namespace

TEST_CASE("a detector finds boxes inside the picture, best first, above the threshold") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const Detector detector(file, {.min_score = 0});
  CHECK(detector.names() == std::vector<std::string>{"a", "b", "c"});
  CHECK(detector.input_height() == 64);
  CHECK(detector.input_width() == 96);
  const auto found = detector.detect(view(gradient_picture(50, 40)));
  REQUIRE(found.size() == 30);  // 10 queries of 3 classes
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i > 0) CHECK(found[i].score <= found[i - 1].score);
    CHECK(found[i].x0 >= 0);
    CHECK(found[i].x1 <= 50);
    CHECK(found[i].y1 <= 40);
  }
  const Detector strict(file, {.min_score = found[4].score});
  CHECK(strict.detect(view(gradient_picture(50, 40))).size() == 5);
}

TEST_CASE("a detector finds on the tests' device what it finds on the CPU", "[devices]") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const std::string device = rtdetr::test::test_device().str();
  const Detector cpu(file, {.min_score = 0}), there(file, {.min_score = 0, .device = device});
  const Picture picture = gradient_picture(50, 40);
  const auto expected = cpu.detect(view(picture)), found = there.detect(view(picture));
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i].score == Approx(expected[i].score).epsilon(1e-4));
  CHECK(same(Detector(there, {.min_score = 0, .device = device}).detect(view(picture)), found));
}

TEST_CASE("a detector in a half type finds what it finds in float32, to that type's precision") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const Detector whole(file, {.min_score = 0});
  const Picture picture = gradient_picture(50, 40);
  const auto expected = whole.detect(view(picture));
  // Scores are near 0.01, their logits near -4.6: five steps of the type there.
  const auto [precision, tolerance] =
      GENERATE(table<Precision, double>({{Precision::kFloat16, 5.0 / 256}, {Precision::kBFloat16, 5.0 / 64}}));
  const bool prepared = rtdetr::has_bfloat16_products();
  const Detector half(whole, {.min_score = 0, .precision = precision, .engine = prepared});  // the same weights
  const auto found = half.detect(view(picture));
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(found[i].score == Approx(expected[i].score).epsilon(tolerance).margin(0));
  CHECK_FALSE(same(found, expected));
  CHECK(same(whole.detect(view(picture)), expected));
}

TEST_CASE("a detector refuses bf16 where the processor does not multiply it, and imitates it without its engine") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  rtdetr::set_cpu_level(rtdetr::CpuLevel::kAvx2);
  CHECK_THROWS_WITH(Detector(file, {.precision = Precision::kBFloat16}),
                    Contains("DetectorOptions.precision = bf16: this processor"));
  CHECK_NOTHROW(Detector(file, {.precision = Precision::kBFloat16, .engine = false}));
  rtdetr::set_cpu_level(rtdetr::best_cpu_level());
}

TEST_CASE("a detector refuses int8 without the processor, without a calibration and without its engine") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  CHECK_THROWS_WITH(Detector(file, {.precision = Precision::kInt8, .engine = false}),
                    Contains("DetectorOptions.precision = int8: only an engine"));
  if (rtdetr::has_byte_products())
    CHECK_THROWS_WITH(Detector(file, {.precision = Precision::kInt8}),
                      Contains("= int8: the model's file has no calibration"));
  rtdetr::set_cpu_level(rtdetr::CpuLevel::kAvx2);
  CHECK_THROWS_WITH(Detector(file, {.precision = Precision::kInt8}), Contains("= int8: this processor cannot"));
  rtdetr::set_cpu_level(rtdetr::best_cpu_level());
}

TEST_CASE("a device that is none, or not where the shared weights lie, is refused") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  CHECK_THROWS_WITH(Detector(file, {.device = "tpu"}), Contains("device=tpu (DetectorOptions.device)"));
  const Detector detector(file);
  CHECK_THROWS_WITH(Detector(detector, {.device = "cuda:1"}),
                    Contains("DetectorOptions.device = cuda:1: the weights lie on cpu"));
}

TEST_CASE("without min_score a detector takes its file's best score, or else a half") {
  const TemporaryFolder folder;
  const Detector plain(save_tiny(folder));
  CHECK_FALSE(plain.best_score());
  CHECK(plain.min_score() == 0.5);
  rtdetr::LoadedModel validated = rtdetr::load_model(folder / "tiny.safetensors");
  validated.info.best_confidence = 0.01;
  rtdetr::save_model(folder / "validated.safetensors", validated.model, validated.info);
  const Detector best(folder / "validated.safetensors");
  CHECK(best.best_score() == 0.01);
  CHECK(best.min_score() == 0.01);
  const Picture picture = gradient_picture(50, 40);
  const Detector same_score(folder / "tiny.safetensors", {.min_score = 0.01F});
  REQUIRE_FALSE(same_score.detect(view(picture)).empty());
  CHECK(same(best.detect(view(picture)), same_score.detect(view(picture))));
  CHECK(Detector(folder / "validated.safetensors", {.min_score = 1}).detect(view(picture)).empty());
}

TEST_CASE("pictures are resized as the model file says, unless it is told otherwise") {
  const TemporaryFolder folder;
  const auto plain = save_tiny(folder), other = folder / "other.safetensors";
  rtdetr::LoadedModel loaded = rtdetr::load_model(plain);
  loaded.info.resampling = rtdetr::Resampling::kOpencvLinear;
  rtdetr::save_model(other, loaded.model, loaded.info);
  Picture picture(400, 300);  // fine detail, shrunk: antialiased or not
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(i * 151 % 253);
  const auto found = [&](const auto& file, std::optional<rtdetr::Resampling> resampling) {
    return Detector(file, {.min_score = 0, .resampling = resampling}).detect(view(picture));
  };
  CHECK_FALSE(same(found(plain, {}), found(other, {})));
  CHECK(same(found(plain, {}), found(other, rtdetr::Resampling::kPillowBilinear)));
  CHECK(same(found(other, {}), found(plain, rtdetr::Resampling::kOpencvLinear)));
}

TEST_CASE("a letterboxed picture has the detections of itself with its bars, less these") {
  const TemporaryFolder folder;
  const auto plain = save_tiny(folder), other = folder / "other.safetensors";  // for 64 rows, 96 columns
  rtdetr::LoadedModel loaded = rtdetr::load_model(plain);
  loaded.info.fit = rtdetr::Fit::kLetterbox;
  rtdetr::save_model(other, loaded.model, loaded.info);
  const Picture picture = gradient_picture(96, 40);
  Picture with_bars(96, 64);
  std::fill(with_bars.rgb.begin(), with_bars.rgb.end(), std::uint8_t{114});
  std::copy(picture.rgb.begin(), picture.rgb.end(), with_bars.row(12));

  const std::vector<Detection> expected = Detector(plain, {.min_score = 0}).detect(view(with_bars));
  for (const auto& detector :
       {Detector(other, {.min_score = 0}), Detector(plain, {.min_score = 0, .fit = rtdetr::Fit::kLetterbox})}) {
    const std::vector<Detection> found = detector.detect(view(picture));
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i].score == expected[i].score);
      CHECK(found[i].label == expected[i].label);
      CHECK(found[i].x0 == expected[i].x0);
      CHECK(found[i].y0 == Approx(std::clamp(expected[i].y0 - 12, 0.0F, 40.0F)).margin(1e-4));
      CHECK(found[i].y1 == Approx(std::clamp(expected[i].y1 - 12, 0.0F, 40.0F)).margin(1e-4));
    }
  }
  // In any format, and smaller than it is.
  const Detector detector(other, {.min_score = 0});
  RgbView reduced = view(picture);
  reduced.full_width = 192, reduced.full_height = 80;
  const std::vector<Detection> found = detector.detect(view(picture)), twice = detector.detect(reduced);
  REQUIRE(twice.size() == found.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(twice[i].x1 == Approx(2 * found[i].x1).margin(1e-4));
    CHECK(twice[i].y1 == Approx(2 * found[i].y1).margin(1e-4));
  }
}

TEST_CASE("pictures that keep their ratio are padded to the model's stride, and found in as they are alone") {
  const TemporaryFolder folder;
  std::string text = rtdetr::test::kTinyModel;
  const std::string known = "variant: v2, ";
  text.replace(text.find(known), known.size(), known + "encoder_layers: 1, ");
  rtdetr::DetectionModel model = rtdetr::build_model(rtdetr::parse_model_spec(text, "padding.yaml"));
  model->eval();
  rtdetr::LoadedModel loaded;
  loaded.model = model;
  loaded.info = rtdetr::describe_model(model, {.names = {"a", "b", "c"}, .category_ids = {0, 1, 2}});
  loaded.info.height = 60, loaded.info.width = 100;  // limits, no multiples of the stride
  loaded.info.fit = rtdetr::Fit::kKeepRatio;
  const Detector detector(std::move(loaded), {.min_score = 0, .threads = 1});
  const Picture wide = gradient_picture(200, 100), tall = gradient_picture(64, 96);  // 100 x 50, 60 x 90
  for (const Detection& d : detector.detect(view(wide))) CHECK((d.x0 >= 0 && d.x1 <= 200 && d.y0 >= 0 && d.y1 <= 100));
  const std::array<RgbView, 2> both{view(tall), view(tall)};
  const auto alone = detector.detect(view(tall));
  for (const auto& found : detector.detect(std::span<const RgbView>(both))) {
    REQUIRE(found.size() == alone.size());
    CHECK(found[0].score == Approx(alone[0].score).margin(1e-5));
    CHECK(found[0].x1 == Approx(alone[0].x1).margin(1e-2));
    CHECK(found[0].y1 == Approx(alone[0].y1).margin(1e-2));
  }
  CHECK_THROWS_WITH(Detector(save_tiny(folder), {.fit = rtdetr::Fit::kKeepRatio}), Contains("fit=letterbox"));
}

TEST_CASE("rows may be padded") {
  const TemporaryFolder folder;
  const Detector detector(save_tiny(folder), {.min_score = 0});
  const Picture picture = gradient_picture(50, 40);
  std::vector<std::uint8_t> padded(40 * 160, 255);
  for (int y = 0; y < 40; ++y) std::copy_n(picture.row(y), 150, padded.begin() + y * 160);
  CHECK(same(detector.detect(view(picture)), detector.detect(RgbView{padded.data(), 50, 40, 160})));
}

TEST_CASE("in a picture of any format a detector finds what it finds in that picture's RGB") {
  const TemporaryFolder folder;
  const Detector detector(save_tiny(folder), {.min_score = 0});
  const Picture picture = gradient_picture(50, 40);
  std::vector<std::uint8_t> bgra;
  for (std::size_t i = 0; i < picture.rgb.size(); i += 3)
    bgra.insert(bgra.end(), {picture.rgb[i + 2], picture.rgb[i + 1], picture.rgb[i], 77});
  const ImageView reordered{bgra.data(), 50, 40, 0, PixelFormat::kBgra};
  CHECK(same(detector.detect(reordered), detector.detect(view(picture))));

  const std::vector<std::uint8_t> video(50 * 60, 128);  // grey, whichever way it is read
  const ImageView nv12{video.data(), 50, 40, 0, PixelFormat::kNv12};
  const Picture decoded = rtdetr::to_rgb(nv12);
  CHECK(same(detector.detect(nv12), detector.detect(view(decoded))));
  const auto both = detector.detect(std::vector<ImageView>{reordered, nv12});
  const auto in_rgb = detector.detect(std::vector<RgbView>{view(picture), view(decoded)});
  REQUIRE(both.size() == 2);
  CHECK(same(both[0], in_rgb[0]));
  CHECK(same(both[1], in_rgb[1]));
}

TEST_CASE("a batch gives each picture its detections, a file the same as its pixels") {
  const TemporaryFolder folder;
  const Detector detector(save_tiny(folder), {.min_score = 0, .max_detections = 3});
  const Picture one = gradient_picture(50, 40), two = gradient_picture(30, 70);
  const std::vector<RgbView> views = {view(one), view(two)};
  rtdetr::DetectionTimes times;
  const auto both = detector.detect(views, &times);
  REQUIRE(both.size() == 2);
  CHECK(times.model_ms > 0);
  CHECK(same(both[0], detector.detect(view(one))));
  CHECK(same(both[1], detector.detect(view(two))));
  CHECK(detector.detect(std::span<const RgbView>(), &times).empty());
  CHECK(times.total_ms() == 0);
  const Detector plain(detector, {.min_score = 0, .max_detections = 3, .engine = false});
  const auto of_plain = plain.detect(views);
  for (std::size_t picture = 0; picture < 2; ++picture) {
    const auto alone = plain.detect(views[picture]);
    REQUIRE(of_plain[picture].size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(of_plain[picture][i].label == alone[i].label);
      CHECK(of_plain[picture][i].score == Approx(alone[i].score).margin(1e-5));
      CHECK(of_plain[picture][i].x1 == Approx(alone[i].x1).margin(1e-2));
    }
  }
  rtdetr::write_picture(folder / "two.png", two);
  CHECK(same(detector.detect_file(folder / "two.png"), detector.detect(view(two))));
}

TEST_CASE("of a JPEG that comes smaller the boxes are in the stored picture's pixels") {
  const TemporaryFolder folder;
  Picture picture(192, 256);  // twice and four times the input
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x)
      std::fill_n(picture.row(y) + 3 * x, 3, static_cast<std::uint8_t>((x / 48 + y / 64) % 2 * 200 + 20));
  rtdetr::write_picture(folder / "large.jpg", picture, 95);
  const auto model = save_tiny(folder);
  const Detector whole(model, {.min_score = 0}), reduced(model, {.min_score = 0, .reduced_jpeg = true});
  CHECK(whole.enough_pixels().width == 0);
  CHECK(reduced.enough_pixels().width == 96);
  const auto a = whole.detect_file(folder / "large.jpg"), b = reduced.detect_file(folder / "large.jpg");
  REQUIRE(a.size() == b.size());
  CHECK_FALSE(same(a, b));
  CHECK(b.front().score == Approx(a.front().score).margin(1e-2));
  CHECK(b.front().x1 == Approx(a.front().x1).margin(1));
  CHECK(b.front().y1 == Approx(a.front().y1).margin(1));
}

TEST_CASE("a picture and a model that are in memory are read as their files are") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const DetectorOptions options{.min_score = 0, .decoder_layers = 1, .reduced_jpeg = true};
  const Detector from_file(file, options);
  std::vector<std::byte> model = rtdetr::read_binary_file(file);
  const Detector from_memory(std::as_bytes(std::span(model)), options);
  std::fill(model.begin(), model.end(), std::byte{0xFF});  // it is not needed any more
  CHECK(from_memory.decoder_layers() == 1);
  CHECK(from_memory.names() == from_file.names());
  for (const char* name : {"picture.png", "picture.jpg"}) {
    rtdetr::write_picture(folder / name, gradient_picture(192, 256));
    const auto found = from_file.detect_file(folder / name);
    REQUIRE(found.size() == 30);
    CHECK(same(from_memory.detect_file(rtdetr::read_binary_file(folder / name)), found));
  }
}

TEST_CASE("bytes that are no whole picture are refused by what is wrong with them") {
  const TemporaryFolder folder;
  const Detector detector(save_tiny(folder), {.max_pixels = 50 * 40});
  rtdetr::write_picture(folder / "fits.png", gradient_picture(50, 40));
  rtdetr::write_picture(folder / "large.png", gradient_picture(51, 40));
  const auto refusal = [&](std::span<const std::byte> bytes) -> std::string {
    try {
      detector.detect_file(bytes);
    } catch (const rtdetr::DataError& error) {
      return error.what();
    }
    return "none";
  };
  const std::vector<std::byte> fits = rtdetr::read_binary_file(folder / "fits.png");
  CHECK(refusal(fits) == "none");
  CHECK_THAT(refusal({}), Contains("'a picture in memory': the file is empty"));
  CHECK_THAT(refusal(std::as_bytes(std::span("GIF89a..."))), Contains("'a picture in memory': neither JPEG"));
  CHECK_THAT(refusal(rtdetr::read_binary_file(folder / "large.png")), Contains("claims 51x40"));
  for (const std::size_t length :
       {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{20}, fits.size() / 2, fits.size() - 13})
    CHECK_THAT(refusal(std::span(fits).first(length)), Contains("'a picture in memory'"));
}

TEST_CASE("bytes that are no whole model of ours are refused by what is wrong with them") {
  const TemporaryFolder folder;
  const std::vector<std::byte> whole = rtdetr::read_binary_file(save_tiny(folder));
  const auto refusal = [](std::span<const std::byte> bytes) -> std::string {
    try {
      const Detector detector(bytes);
    } catch (const rtdetr::CheckpointError& error) {
      return error.what();
    }
    return "none";
  };
  CHECK(refusal(whole) == "none");
  CHECK_THAT(refusal({}), Contains("the model in memory") && Contains("empty"));
  for (const std::size_t length : {std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{9}, std::size_t{1000},
                                   whole.size() / 2, whole.size() - 1})
    CHECK_THAT(refusal(std::span(whole).first(length)), Contains("the model in memory"));
  std::vector<std::byte> damaged = whole;
  damaged.back() ^= std::byte{1};
  CHECK_THAT(refusal(damaged), Contains("the model in memory") && Contains("hash"));
  damaged = whole;
  std::fill_n(damaged.begin(), 8, std::byte{0x7F});  // the header's length
  CHECK_THAT(refusal(damaged), Contains("claims a header of"));
  CHECK_THAT(refusal(std::as_bytes(std::span("\xFF\xD8\xFF\xE0 of a picture"))), Contains("a JPEG picture"));
  rtdetr::save_tensors(folder / "foreign.safetensors", {{"weight", torch::ones({2})}}, {});
  CHECK_THAT(refusal(rtdetr::read_binary_file(folder / "foreign.safetensors")), Contains("another program's file"));
}

TEST_CASE("options that do not fit the model are refused") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  CHECK(Detector(file, {.decoder_layers = 1}).decoder_layers() == 1);
  CHECK_THROWS_AS(Detector(file, {.decoder_layers = 9}), rtdetr::ConfigError);
  CHECK_THROWS_AS(Detector(file, {.height = 100}), rtdetr::ConfigError);
  CHECK_THROWS_AS(Detector(folder / "nothing.safetensors"), rtdetr::Error);
}

TEST_CASE("options out of range are refused by name, all together") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const auto [options, name] = GENERATE(table<rtdetr::DetectorOptions, std::string>({
      {{.min_score = 2}, "min_score = 2: must be from 0 to 1"},
      {{.min_score = -0.5F}, "min_score"},
      {{.min_score = std::numeric_limits<float>::quiet_NaN()}, "min_score = nan"},
      {{.max_detections = -1}, "max_detections = -1: must be from 1 to"},
      {{.max_detections = 0}, "max_detections"},
      {{.decoder_layers = -1}, "decoder_layers"},
      {{.iou = 1.5}, "iou = 1.5: must be from 0 to 1"},
      {{.iou = std::numeric_limits<double>::quiet_NaN()}, "iou = nan"},
      {{.height = -64}, "height"},
      {{.width = -64}, "width"},
      {{.width = 1 << 20}, "width"},
      {{.precision = static_cast<Precision>(77)}, "precision = 77: must be from 0 to 3"},
      {{.threads = -1}, "threads = -1: must be from 0 to"},
      {{.resampling = static_cast<rtdetr::Resampling>(9)}, "resampling = 9: must be from 0 to 1"},
      {{.fit = static_cast<rtdetr::Fit>(-1)}, "fit = -1: must be from 0 to 2"},
  }));
  CHECK_THROWS_WITH(Detector(file, options), Contains("DetectorOptions." + name));
  CHECK_THROWS_AS(Detector(file, options), rtdetr::ConfigError);
  CHECK_THROWS_WITH(Detector(file, {.min_score = 2, .threads = -1}), Contains("min_score") && Contains("threads"));
}

TEST_CASE("pictures that cannot be are refused") {
  const TemporaryFolder folder;
  const Detector detector(save_tiny(folder));
  const Picture picture = gradient_picture(50, 40);
  const auto refusal = [&](RgbView view) {
    try {
      detector.detect(view);
    } catch (const rtdetr::DataError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const std::uint8_t* data = picture.rgb.data();
  CHECK_THAT(refusal({}), Contains("no pixel"));
  CHECK_THAT(refusal({nullptr, 50, 40}), Contains("50 x 40") && Contains("no data"));
  CHECK_THAT(refusal({data, 50, 0}), Contains("no pixel"));
  CHECK_THAT(refusal({data, -50, 40}), Contains("no pixel"));
  CHECK_THAT(refusal({data, 50, 40, 149}), Contains("stride of 149 bytes, less than the 150 of a row"));
  CHECK_THAT(refusal({data, 50, 40, -150}), Contains("stride of -150"));
  constexpr int kUnset = std::numeric_limits<int>::max();
  CHECK_THAT(refusal({data, kUnset, kUnset}), Contains("2147483647 x 2147483647 pixels) is too large"));
  CHECK_THAT(refusal({data, 1'000'001, 1}), Contains("is too large"));
  CHECK_THAT(refusal({data, 100'000, 100'001}), Contains("is too large"));
  CHECK_THAT(refusal({data, 50, 40, 0, 10, 0}), Contains("a full size of 10 x 0; both sides are given, or both 0"));
  CHECK_THAT(refusal({data, 50, 40, 0, 0, 10}), Contains("a full size of 0 x 10"));
  CHECK_THAT(refusal({data, 50, 40, 0, -100, -80}), Contains("a full size of -100 x -80"));
  CHECK(refusal({data, 50, 40, 150}) == "accepted");
  const std::vector<RgbView> batch = {view(picture), {data, 50, 40, 3}};
  CHECK_THROWS_WITH(detector.detect(batch), Contains("picture 1 of the batch"));
  CHECK_THROWS_WITH(detector.detect(ImageView{data, 50, 40, 0, static_cast<PixelFormat>(7)}), Contains("format 7"));
  CHECK_THROWS_WITH(detector.detect(ImageView{data, 40, 20, 100, PixelFormat::kBgra}), Contains("the 160 of a row"));
  CHECK_THROWS_WITH(detector.detect(ImageView{data, 41, 20, 41, PixelFormat::kNv12, data, 41}),
                    Contains("chroma stride of 41 bytes, less than the 42 of a row"));
}

TEST_CASE("several threads get from one detector and its copies what one thread gets") {
  const TemporaryFolder folder;
  const Detector detector(save_tiny(folder), {.min_score = 0, .threads = 1});
  const Detector copy = detector;
  std::vector<Picture> pictures;
  for (int i = 0; i < 6; ++i) pictures.push_back(gradient_picture(40 + 7 * i, 60 - 5 * i));
  std::vector<std::vector<Detection>> alone;
  for (const Picture& picture : pictures) alone.push_back(detector.detect(view(picture)));

  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const Detector& mine = t % 2 ? copy : detector;
      for (int k = 0; k < 40; ++k) {
        const std::size_t i = static_cast<std::size_t>(k + t) % pictures.size();
        if (!same(mine.detect(view(pictures[i])), alone[i])) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a detector with other options shares the weights") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const Detector detector(file, {.min_score = 0});
  std::filesystem::remove(file);
  const Detector few(detector, {.min_score = 0, .max_detections = 3, .decoder_layers = 1, .height = 128, .threads = 1});
  const Picture picture = gradient_picture(50, 40);
  CHECK(few.detect(view(picture)).size() == 3);
  CHECK(few.decoder_layers() == 1);
  CHECK(few.input_height() == 128);
  CHECK(few.input_width() == 96);
  CHECK(detector.detect(view(picture)).size() == 30);
  CHECK(detector.decoder_layers() == 3);
  CHECK_THROWS_AS(Detector(detector, {.width = 100}), rtdetr::ConfigError);
  CHECK_THROWS_WITH(Detector(few, {.decoder_layers = 4}), Contains("3 were loaded"));
}

TEST_CASE("a detector finds with the engine what it finds with the plain model") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const Detector engine(file, {.min_score = 0}), plain(engine, {.min_score = 0, .engine = false});
  const Picture picture = gradient_picture(50, 40);
  const auto expected = plain.detect(view(picture)), found = engine.detect(view(picture));
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i].score == Approx(expected[i].score).epsilon(1e-4));
}

TEST_CASE("a detector in its final form finds the same, and has no other form") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const Detector any(file, {.min_score = 0}), final_one(file, {.min_score = 0, .final_form = true});
  const Picture picture = gradient_picture(50, 40);
  CHECK(same(final_one.detect(view(picture)), any.detect(view(picture))));
  CHECK(Detector(final_one, {.min_score = 0, .max_detections = 3}).detect(view(picture)).size() == 3);
  CHECK_THROWS_WITH(Detector(final_one, {.height = 128}), Contains("final_form") && Contains("64 x 96"));
  CHECK_NOTHROW(Detector(final_one, {.decoder_layers = final_one.decoder_layers()}));  // the same form in other words
  CHECK_NOTHROW(Detector(Detector(file, {.decoder_layers = 2, .final_form = true}), {.min_score = 0.3F}));
  CHECK_THROWS_WITH(Detector(final_one, {.decoder_layers = 1}), Contains("load the file again"));
  CHECK_THROWS_AS(Detector(final_one, {.engine = false}), rtdetr::ConfigError);
}

TEST_CASE("a copy in final form leaves the weights to those who share them") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const Detector plain(file, {.min_score = 0, .engine = false}), prepared(file, {.min_score = 0});
  const Picture picture = gradient_picture(50, 40);
  const std::vector<Detection> before = plain.detect(view(picture));
  const Detector copy(plain, {.min_score = 0, .final_form = true});
  CHECK(same(copy.detect(view(picture)), prepared.detect(view(picture))));
  CHECK(same(plain.detect(view(picture)), before));
  CHECK(Detector(copy, {.height = 128}).input_height() == 128);
}

TEST_CASE("fewer layers of shared weights give what a detector loaded with as many gives") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);
  const Picture picture = gradient_picture(50, 40);
  const Detector all(file, {.min_score = 0}), loaded(file, {.min_score = 0, .decoder_layers = 2});
  const Detector shared(all, {.min_score = 0, .decoder_layers = 2});
  CHECK(same(shared.detect(view(picture)), loaded.detect(view(picture))));
}

TEST_CASE("a detector's threads are its own: the process keeps its setting") {
  const TemporaryFolder folder;
  const auto file = save_tiny(folder);  // sets one
  const Detector detector(file, {.threads = 2});
  CHECK(at::get_num_threads() == 1);
  detector.detect(view(gradient_picture(50, 40)));
  CHECK(at::get_num_threads() == 1);
}
