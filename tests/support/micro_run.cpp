#include "tests/support/micro_run.h"

#include <algorithm>
#include <string>

#include "core/base/random.h"
#include "core/base/text.h"
#include "tests/support/data_files.h"

namespace rtdetr::test {
namespace {

std::string model_yaml(const MicroOptions& options) {
  return std::string(R"(nc: 80
backbone:
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [32, 3, 2]]   # 2 stride 8
  - [-1, 1, Conv, [32, 3, 2]]   # 3 stride 16
  - [-1, 1, Conv, [32, 3, 2]]   # 4 stride 32
head:
  - [-1, 1, AIFI, [64, 4]]      # 5
  - [[2, 3, 5], 1, RTDETRDecoder, [nc, {dim: 32, queries: 20, heads: 4, ffn: 64, layers: )") +
         std::to_string(options.decoder_layers) + ", denoising: " + (options.denoising ? "10" : "0") + "}]]\n";
}

struct Rectangle {
  int label = 0;
  double cx = 0, cy = 0, w = 0, h = 0;  ///< fractions
};

Rectangle draw_rectangle(Random& random) {
  Rectangle r{static_cast<int>(random.below(2)), 0, 0, random.uniform(0.25, 0.6), random.uniform(0.25, 0.6)};
  r.cx = random.uniform(r.w / 2, 1 - r.w / 2);
  r.cy = random.uniform(r.h / 2, 1 - r.h / 2);
  return r;
}

void paint(Picture& picture, const Rectangle& r) {
  const auto pixel = [](double fraction, int side) { return static_cast<int>(fraction * side); };
  for (int y = pixel(r.cy - r.h / 2, picture.height); y < pixel(r.cy + r.h / 2, picture.height); ++y) {
    for (int x = pixel(r.cx - r.w / 2, picture.width); x < pixel(r.cx + r.w / 2, picture.width); ++x) {
      std::uint8_t* rgb = picture.row(y) + 3 * x;
      std::fill(rgb, rgb + 3, std::uint8_t{20});
      rgb[r.label] = 230;
    }
  }
}

void add_noise(Picture& picture, Random& random) {
  for (std::uint8_t& value : picture.rgb) value = static_cast<std::uint8_t>(value + random.below(20));
}

/// Picture `index` and its label file; every sixth picture shows nothing.
void write_sample(const std::filesystem::path& folder, int index, bool noise) {
  Random random(7, RandomPurpose::kAugmentation, 0, static_cast<std::uint64_t>(index));
  Picture picture(64, 64);
  std::fill(picture.rgb.begin(), picture.rgb.end(), std::uint8_t{110});
  std::string labels;
  for (int i = 0; i < (index % 6 == 5 ? 0 : 1 + index % 2); ++i) {
    const Rectangle r = draw_rectangle(random);
    paint(picture, r);
    labels += std::to_string(r.label);
    for (const double value : {r.cx, r.cy, r.w, r.h}) labels.append(" ").append(format_double(value));
    labels += "\n";
  }
  if (noise) add_noise(picture, random);
  const std::string stem = std::string("p").append(std::to_string(100 + index));
  std::filesystem::create_directories(folder / "images");
  write_picture(folder / "images" / (stem + ".png"), picture);
  write_file(folder / "labels" / (stem + ".txt"), labels);
}

}  // namespace

Settings make_micro_run(const std::filesystem::path& folder, const MicroOptions& options) {
  for (int i = 0; i < options.pictures; ++i) write_sample(folder, i, options.noise);
  write_file(folder / "data.yaml", "path: .\ntrain: images\nval: images\nnames: [red, green]\n");
  write_file(folder / "micro.yaml", model_yaml(options));
  Settings settings;
  settings.command = Command::kTrain;
  settings.model = (folder / "micro.yaml").string();
  settings.data = (folder / "data.yaml").string();
  settings.project = (folder / "runs").string();
  settings.imgsz = {64, 64};
  settings.epochs = 3;
  settings.batch = 4;
  settings.workers = 1;
  settings.warmup_steps = 5;
  settings.lr0 = 1e-3;
  settings.ema_ramp = 10;
  settings.plots = false;
  return settings;
}

std::vector<std::string> micro_command(const Settings& settings, const std::string& name,
                                       const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> keys{{"model", settings.model},
                                          {"data", settings.data},
                                          {"imgsz", "64"},
                                          {"epochs", "3"},
                                          {"batch", "4"},
                                          {"workers", "1"},
                                          {"threads", "1"},
                                          {"warmup_steps", "5"},
                                          {"lr0", "0.001"},
                                          {"ema_ramp", "10"},
                                          {"resume", "auto"},
                                          {"quiet", "true"},
                                          {"plots", "false"},
                                          {"project", settings.project},
                                          {"name", name}};
  for (const auto& [key, value] : changes) keys[key] = value;
  std::vector<std::string> words{"train"};
  for (const auto& [key, value] : keys) words.push_back(key + "=" + value);
  return words;
}

}  // namespace rtdetr::test
