#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "models/graph/model_spec.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {
namespace {

using Catch::Contains;

/// A small sound file; `row` replaces its third row (index 2, line 8).
std::string file_with_row(const std::string& row) {
  return "nc: 4\n"                          // 1
         "norm_eps: 0.001\n"                // 2
         "norm_momentum: 0.03\n"            // 3
         "\n"                               // 4
         "backbone:\n"                      // 5
         "  - [-1, 1, Conv, [16, 3, 8]]\n"  // 6
         "  - [-1, 1, Conv, [16, 3, 2]]\n"  // 7
         "  - " +
         row +
         "\n"       // 8
         "head:\n"  // 9
         "  - [[0, 1], 1, RTDETRDecoder, [nc, 32, 10, 4, 4, 1, 32]]\n";
}

std::string refusal(const std::string& text) {
  try {
    parse_model_spec(text, "m.yaml");
  } catch (const ModelError& error) {
    return error.what();
  }
  return "accepted";
}

std::string row_refusal(const std::string& row) { return refusal(file_with_row(row)); }

}  // namespace

TEST_CASE("a sound model file is read row by row") {
  const ModelSpec spec = parse_model_spec(file_with_row("[-1, 2, nn.Identity, [], extra.path]"), "dir/m.yaml");
  CHECK(spec.name == "m");
  CHECK(spec.num_classes == 4);
  CHECK(spec.batch_norm_eps == 0.001);
  REQUIRE(spec.rows.size() == 4);
  CHECK(spec.rows[2].module == "nn.Identity");
  CHECK(spec.rows[2].path == "extra.path");
  CHECK(spec.rows[2].line == 8);
  CHECK(spec.rows[2].in_backbone);
  CHECK(spec.rows[3].from == std::vector<int>{0, 1});
}

TEST_CASE("an unknown module is answered with the nearest name") {
  CHECK(row_refusal("[-1, 1, Conw, [16]]") ==
        "m.yaml:8: row 2 `[-1, 1, Conw, [16]]`: there is no module 'Conw'; did you mean 'Conv'?");
  CHECK_THAT(row_refusal("[-1, 1, nn.Upsampel, [None, 2, nearest]]"), Contains("did you mean 'nn.Upsample'?"));
}

TEST_CASE("a `from` that names no earlier row is refused") {
  CHECK_THAT(row_refusal("[5, 1, Conv, [16]]"), Contains("m.yaml:8: row 2") && Contains("found 5"));
  CHECK_THAT(row_refusal("[2, 1, Conv, [16]]"), Contains("must name an earlier row, -1 … -2 or 0 … 1, found 2"));
  CHECK_THAT(row_refusal("[-3, 1, Conv, [16]]"), Contains("found -3"));
  CHECK_THAT(row_refusal("[x y, 1, Conv, [16]]"),
             Contains("`from` must be a row's number or path, or a list of them, found 'x y'"));
  CHECK_THAT(row_refusal("[1001, 1, Conv, [16]]"), Contains("a row's number or path") && Contains("found '1001'"));
  CHECK_THAT(row_refusal("[[], 1, Concat, [1]]"), Contains("found an empty list"));
  CHECK_THAT(row_refusal("[[0, 1], 1, Conv, [16]]"), Contains("Conv reads one row, found 2"));
  CHECK_THAT(refusal("nc: 1\nbackbone:\n  - [0, 1, Conv, [16]]\nhead:\n  - [-1, 1, RTDETRDecoder, [nc]]\n"),
             Contains("the first row reads the picture: `from` must be -1, found 0"));
}

TEST_CASE("a row is read by its path as by its number") {
  const std::string text =
      "nc: 4\nbackbone:\n  - [-1, 1, Conv, [16, 3, 8], backbone.fine]\n  - [-1, 1, Conv, [16, 3, 2]]\nhead:\n"
      "  - [backbone.fine, 1, Conv, [32, 3, 2], neck]\n"
      "  - [[backbone.fine, model.1, -1, neck], 1, RTDETRDecoder, [nc, 32, 10, 4, 4, 1, 32]]\n";
  const ModelSpec spec = parse_model_spec(text, "m.yaml");
  CHECK(spec.rows[2].from == std::vector<int>{0});
  CHECK(spec.rows[3].from == std::vector<int>{0, 1, -1, 2});
  CHECK(spec.rows[3].from_names == std::vector<std::string>{"backbone.fine", "model.1", "", "neck"});
  CHECK_FALSE(spec.rows[2].from_is_list);

  std::string longer = text;  // a row put in before them shifts numbers, not names
  longer.replace(longer.find("  - [-1, 1, Conv, [16, 3, 8]"), 4, "  - [-1, 1, nn.Identity, []]\n  - ");
  longer.replace(longer.find("model.1"), 7, "model.2");
  CHECK(parse_model_spec(longer, "m.yaml").rows[4].from == std::vector<int>{1, 2, -1, 3});
}

TEST_CASE("a name in `from` that is no earlier row's path is refused, with the nearest or the reason") {
  const auto refused = [](const std::string& from) {
    return refusal("nc: 4\nbackbone:\n  - [-1, 1, Conv, [16, 3, 8], backbone.fine]\n  - [" + from +
                   ", 1, Concat, [1], middle]\nhead:\n  - [-1, 1, Conv, [16], neck]\n"
                   "  - [-1, 1, RTDETRDecoder, [nc, 32, 10, 4, 4, 1, 32]]\n");
  };
  CHECK(refused("backbone.fine") == "accepted");
  CHECK_THAT(refused("backbone.fin"), Contains("m.yaml:4: row 1") &&
                                          Contains("`from` names 'backbone.fin', which is no row's path; did you mean "
                                                   "'backbone.fine'?"));
  CHECK_THAT(refused("[0, nek]"), Contains("'nek', which is no row's path; did you mean 'neck'?"));
  CHECK_THAT(refused("neck"), Contains("names 'neck', row 2, which comes later: a row reads rows before it"));
  CHECK_THAT(refused("[-1, middle]"), Contains("names 'middle', the row itself"));
  CHECK_THAT(refused("model.3"), Contains("row 3, which comes later"));
}

TEST_CASE("where a numbered row does not fit, the message says once that numbers shift") {
  const std::string hint = "shifts the numbers of all rows behind it by one";
  CHECK_THAT(row_refusal("[[0, 1], 1, Concat, [1]]"), Contains("strides 8 and 16; a row put in") && Contains(hint));
  CHECK_THAT(row_refusal("[2, 1, Conv, [16]]"), Contains(hint));
  CHECK_THAT(row_refusal("[-1, 1, AIFI, [64, 5]]"), !Contains(hint));
  CHECK_THAT(row_refusal("[-1, 1, Conw, [16]]"), !Contains(hint));
  const std::string twice = row_refusal("[[0, 1], 1, Concat, [1]]\n  - [[0, 1], 1, Concat, [1]]");
  CHECK(twice.find(hint) != std::string::npos);
  CHECK(twice.find(hint) == twice.rfind(hint));
  CHECK(twice.find("strides 8 and 16", twice.find(hint)) != std::string::npos);
}

TEST_CASE("wrong arguments are answered with name, meaning and range") {
  CHECK_THAT(row_refusal("[-1, 1, Conv, []]"), Contains("argument 'out' (output channels) is missing"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16, 3, 2, None, 1, 1, True, 9]]"),
             Contains("expected at most 7 arguments (out, k, s, p, g, d, act), found 8"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16, big]]"),
             Contains("argument 'k' (kernel size): expected an integer from 1 to 63, found 'big'"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [0]]"), Contains("expected an integer from 1 to 65536, found '0'"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16, {stryde: 2}]]"), Contains("unknown option 'stryde'"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16, 3, {k: 3}]]"), Contains("argument 'k' is given twice"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16, 1, 1, None, 1, 1, swish]]"), Contains("True, False or one of none, relu"));
  CHECK_THAT(row_refusal("[-1, 0, Conv, [16]]"), Contains("repeats must be from 1 to 100, found 0"));
  CHECK_THAT(row_refusal("[-1, 1000000, Conv, [16]]"), Contains("repeats must be from 1 to 100"));
  CHECK_THAT(row_refusal("[-1, 9223372036854775807, Conv, [16]]"), Contains("found 9223372036854775807"));
  CHECK_THAT(refusal("depth_multiple: 2\n" + file_with_row("[-1, 60, Conv, [16]]")),
             Contains("found 60, times the depth 2 120"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16, 1, 1, None, 1, 1, nn.LeakyReLU(0.2)]]"),
             Contains("True, False or one of"));
  CHECK(row_refusal("[-1, 1, Conv, [16, 1, 1, None, 1, 1, nn.ReLU(inplace=True)]]") == "accepted");
}

TEST_CASE("channels and sizes that do not fit are refused") {
  CHECK_THAT(row_refusal("[[0, 1], 1, Concat, [1]]"), Contains("expected maps of one size, found strides 8 and 16"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16, 1, 1, None, 3]]"), Contains("groups must divide the 16 input"));
  CHECK_THAT(row_refusal("[-1, 1, AIFI, [64, 5]]"), Contains("multiple of 4 and of the 5 heads, found 16"));
  CHECK_THAT(row_refusal("[-1, 3, Conv, [32]]"), Contains("repeating it needs as many output as input channels"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16, 3, 1, 0]]"),
             Contains("kernel 3, stride 1, padding 0 and dilation 1 do not give a map of 1 / stride the size"));
  CHECK_THAT(row_refusal("[-1, 1, ConvNorm, [16, 2]]"), Contains("kernel 2, stride 1"));
  CHECK_THAT(row_refusal("[-1, 1, nn.MaxPool2d, [2, 1]]"), Contains("kernel 2, stride 1"));
  CHECK_THAT(row_refusal("[-1, 1, ResNetLayer, [3, 64, 1]]"),
             Contains("expected the 16 channels of its input, found 3"));
  CHECK_THAT(row_refusal("[-1, 1, nn.Upsample, [None, 32, nearest]]"),
             Contains("cannot enlarge a map of stride 16 by 32"));
}

TEST_CASE("the decoder must be there, last and alone") {
  CHECK_THAT(refusal("nc: 1\nbackbone:\n  - [-1, 1, Conv, [16]]\nhead:\n  - [-1, 1, Conv, [16]]\n"),
             Contains("m.yaml:5: row 1") && Contains("the last row must be Detect or RTDETRDecoder"));
  CHECK_THAT(row_refusal("[[0, 1], 1, RTDETRDecoder, [nc, 32, 10, 4, 4, 1, 32]]"),
             Contains("row 2") && Contains("RTDETRDecoder must be the last row"));
}

TEST_CASE("unknown, missing and wrong keys are refused") {
  const std::string rows = "backbone:\n  - [-1, 1, Conv, [16]]\nhead:\n  - [-1, 1, RTDETRDecoder, [nc, 32, 10]]\n";
  CHECK_THAT(refusal("nc: 1\nbackbon: []\n" + rows),
             Contains("m.yaml:2: unknown key 'backbon'; did you mean 'backbone'?"));
  CHECK_THAT(refusal(rows), Contains("key 'nc' (number of classes) is missing"));
  CHECK_THAT(refusal("nc: many\n" + rows),
             Contains("m.yaml:1: key 'nc': expected an integer from 1 to 65536, found 'many'"));
  CHECK_THAT(refusal("nc: 1\nnc: 2\n" + rows), Contains("m.yaml:2") && Contains("'nc'"));
  CHECK_THAT(refusal("nc: 1\nbackbone:\n  - [-1, 1, Conv, [16]]\n"),
             Contains("key 'head' (a list of rows) is missing"));
  CHECK_THAT(refusal("nc: 1\nactivation: nn.Swash()\n" + rows), Contains("key 'activation': expected nn.ReLU()"));
  CHECK_THAT(refusal("nc: 1\nscales: {l: [1, 1]}\n" + rows),
             Contains("scale 'l': expected [depth, width, max_channels]"));
  CHECK_THAT(refusal("nc: 1\nscales: {l: [1, 1, 64]}\nscale: x\n" + rows), Contains("there is no scale 'x', only l"));
  CHECK_THAT(refusal("nc: 1\nscales: {l: [1, 1, 64]}\nscale: [l]\n" + rows),
             Contains("key 'scale': expected one of the letters of scales, found a list of 1"));
  CHECK_THAT(refusal("nc: 1\nch: 3\nchannels: 1\n" + rows), Contains("keys 'ch' and 'channels' are the same"));
  CHECK_THAT(refusal("- 1\n"), Contains("a model file is a map"));
}

TEST_CASE("rows of the wrong form and unusable paths are refused") {
  CHECK_THAT(row_refusal("[-1, 1, Conv]"),
             Contains("expected [from, repeats, module, args]") && Contains("a list of 3"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, 16]"), Contains("args must be a list, found '16'"));
  CHECK_THAT(row_refusal("[-1, 1, \"\", []]"), Contains("the module must be a name, found ''"));
  CHECK_THAT(row_refusal("[-9223372036854775808, 1, Conv, [16]]"), Contains("`from` must be a row's number"));
  CHECK_THAT(row_refusal("[-1, 1, [Conv], [16]]"), Contains("the module must be a name"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16], a..b]"), Contains("the path must be names joined by dots"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16], model.1]"), Contains("path 'model.1' belongs to row"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [16], model.1.conv]"), Contains("path 'model.1.conv' belongs to row 1"));
}

TEST_CASE("a head has the model's number of classes, and a width that its parts can halve and quarter") {
  const auto with_head = [](const std::string& head) {
    return refusal("nc: 4\nbackbone:\n  - [-1, 1, Conv, [16, 3, 8]]\nhead:\n  - [[0], 1, " + head + "]\n");
  };
  CHECK(with_head("RTDETRDecoder, [nc, 32, 10]") == "accepted");
  CHECK_THAT(with_head("RTDETRDecoder, [80, 32, 10]"), Contains("nc (4), found 80; write nc"));
  CHECK_THAT(with_head("Detect, [3]"), Contains("nc (4), found 3; write nc"));
  CHECK_THAT(with_head("RTDETRDecoder, [nc, {variant: deimv2, dim: 32, heads: 4, ffn: 1}]"),
             Contains("d_ffn must be even"));
  CHECK_THAT(with_head("RTDETRDecoder, [nc, {dim: 18, heads: 2, query_position: sine}]"), Contains("multiple of 4"));
  CHECK_THAT(with_head("RTDETRDecoder, [nc, {dim: 18, heads: 2, encoder_layers: 1}]"), Contains("multiple of 4"));
  CHECK_THAT(with_head("RTDETRDecoder, [nc, {dim: 32, points: [4, 4, 4], levels: 2}]"),
             Contains("levels is 2, and ndp and the maps make 3"));
}

TEST_CASE("a picture's sides are multiples of every map's stride") {
  const std::string text =
      "nc: 4\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [0, 1, Conv, [16, 3, 3]]\n"
      "head:\n  - [[1, 2], 1, RTDETRDecoder, [nc, 32, 10]]\n";
  CHECK(build_model(parse_model_spec(text, "m.yaml"), {.shapes_only = true})->stride() == 12);
}

TEST_CASE("all mistakes of a file are shown together, in file order") {
  const std::string message = refusal(
      "nc: 1\nbackbone:\n  - [-1, 1, Conw, [16]]\n  - [-1, 1, Conv, [x]]\nhead:\n"
      "  - [9, 1, RTDETRDecoder, [nc]]\nhaed: 1\n");
  const std::size_t one = message.find("m.yaml:3:"), two = message.find("m.yaml:4:"), three = message.find("m.yaml:6:"),
                    four = message.find("m.yaml:7: unknown key 'haed'");
  CHECK((one < two && two < three && three < four && four != std::string::npos));
}

TEST_CASE("absurd sizes are refused before memory is asked for") {
  std::string rows;
  for (int i = 0; i < 3; ++i) rows += "  - [-1, 1, Conv, [65536, 63]]\n";
  CHECK_THAT(refusal("nc: 1\nbackbone:\n" + rows + "head:\n  - [-1, 1, RTDETRDecoder, [nc, 32, 10]]\n"),
             Contains("the model would have more than 4000000000 parameters"));
  CHECK_THAT(row_refusal("[-1, 1, Conv, [9999999999999]]"), Contains("expected an integer from 1 to 65536"));
  std::string many;
  for (int i = 0; i < 1200; ++i) many += "  - [-1, 1, nn.Identity, []]\n";
  CHECK_THAT(refusal("nc: 1\nbackbone:\n" + many + "head:\n  - [-1, 1, RTDETRDecoder, [nc]]\n"),
             Contains("at most 1000 rows"));
  CHECK_THAT(refusal("nc: 1\nbackbone: " + std::string(100'000, '[') + "\n"), Contains("m.yaml:2"));
  CHECK_THAT(refusal("a: &a [1]\nnc: 1\nbackbone: [*a, *a]\n"), Contains("m.yaml:1"));
}

TEST_CASE("a scale letter in the name picks depth and width") {
  const ModelSpec nano = load_model_spec("yolov8n-rtdetr.yaml");
  CHECK(nano.scale == "n");
  CHECK(nano.width == 0.25);
  CHECK(nano.name == "yolov8n-rtdetr");
  CHECK(load_model_spec("yolov8m-rtdetr").max_channels == 768);
  CHECK(load_model_spec("rtdetr-l.yaml").scale == "l");
  CHECK_THROWS_WITH(load_model_spec("yolov8-rtdetr.yaml", "q"), Contains("there is no scale 'q', only n, s, m, l, x"));
  CHECK_THROWS_WITH(load_model_spec("rtdetr-k.yaml"), Contains("no such file") && Contains("did you mean"));
}

TEST_CASE("a scale letter in a file's own name counts where the file has that scale and does not say its own") {
  const test::TemporaryFolder folder;
  const std::string file = folder / "yolov8s-mine.yaml", plain = file_with_row("[-1, 1, nn.Identity, []]");
  const auto scale_of = [&](const std::string& text) {
    write_text_atomically(file, text);
    return load_model_spec(file).scale;
  };
  CHECK(scale_of(plain).empty());
  const std::string scales = "scales: {n: [1, 0.5, 64], s: [1, 1, 64]}\n";
  CHECK(scale_of(scales + plain) == "s");
  CHECK(scale_of(scales + "scale: n\n" + plain) == "n");
  CHECK(scale_of("scales: {m: [1, 1, 64]}\n" + plain) == "m");
  const std::string longest = "yolov8n" + std::string(100'000, 'a');
  CHECK_THROWS_WITH(load_model_spec(longest + ".yaml"), Contains("no such file"));
}

TEST_CASE("what overrides make of a model file is said to be their doing, and a number of classes in a head is one") {
  const ModelSpec spec = parse_model_spec(file_with_row("[-1, 1, nn.Identity, []]"), "m.yaml");
  CHECK_THROWS_WITH(build_model(spec, {.num_classes = 70'000}),
                    Contains("m.yaml, with the overrides of this run,") && Contains("found '70000'"));
  const std::string text = file_with_row("[-1, 1, nn.Identity, []]");
  std::string literal = text;
  literal.replace(literal.find("[nc, 32"), 7, "[4, 32");
  CHECK(build_model(parse_model_spec(literal, "m.yaml"), {.num_classes = 7, .shapes_only = true})->num_classes() == 7);
}

}  // namespace rtdetr
