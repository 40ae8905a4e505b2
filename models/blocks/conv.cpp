#include "models/layers/conv.h"

#include <numeric>

#include "models/graph/row_arguments.h"

/// Rows that are one convolution with its norm.
namespace rtdetr {

namespace {

ArgumentSpec kernel_argument() { return integer_argument("k", "kernel size").fallback(1).range(1, 63); }
ArgumentSpec stride_argument() { return integer_argument("s", "stride").fallback(1).range(1, 32); }
ArgumentSpec dilation_argument() { return integer_argument("d", "dilation").fallback(1).range(1, 32); }
ArgumentSpec padding_argument() {
  return integer_argument("p", "padding, None = half the kernel").fallback(std::monostate{}).range(0, 63);
}

FeatureMap conv_output(const RowContext& row, std::int64_t padding, std::int64_t dilation = 1) {
  check_window(row.args.integer("k"), row.args.integer("s"), padding, dilation);
  return {row.args.integer("out"), row.input().stride * row.args.integer("s")};
}

void check_groups(std::int64_t groups, std::int64_t in, std::int64_t out) {
  if (in % groups || out % groups) {
    refuse("groups must divide the " + std::to_string(in) + " input and " + std::to_string(out) +
           " output channels, found " + std::to_string(groups));
  }
}

ConvNormActOptions conv_options(const RowContext& row, std::int64_t groups) {
  ConvNormActOptions options =
      conv_unit(row.input().channels, row.args.integer("out"), row.args.integer("k"), row.args.integer("s"),
                activation_from_name(row.args.text("act")), norm_options(row));
  options.conv.groups = groups;
  return options;
}

std::int64_t conv_padding(const RowContext& row) {
  return row.args.is_none("p") ? same_padding(row.args.integer("k"), row.args.integer("d")) : row.args.integer("p");
}

void register_conv(Registry& registry) {
  registry.add(
      {.name = "Conv",
       .summary = "convolution, BatchNorm, activation (Ultralytics' keys conv, bn)",
       .arguments = {out_argument(), kernel_argument(), stride_argument(), padding_argument(), groups_argument(),
                     dilation_argument(), activation_argument("act", "activation").fallback(true)},
       .width_scaled = "out",
       .output =
           [](const RowContext& row) {
             check_groups(row.args.integer("g"), row.input().channels, row.args.integer("out"));
             return conv_output(row, conv_padding(row), row.args.integer("d"));
           },
       .build = [](const RowContext& row) -> BlockPtr {
         ConvNormActOptions options = conv_options(row, row.args.integer("g"));
         options.conv.dilation = row.args.integer("d");
         options.conv.padding = conv_padding(row);
         return ConvNormAct(options).ptr();
       }});
}

void register_depthwise_conv(Registry& registry) {
  registry.add({.name = "DWConv",
                .summary = "convolution of each channel alone, BatchNorm, activation",
                .arguments = {out_argument(), kernel_argument(), stride_argument(), dilation_argument(),
                              activation_argument("act", "activation").fallback(true), norm_argument()},
                .width_scaled = "out",
                .output =
                    [](const RowContext& row) {
                      const std::int64_t dilation = row.args.integer("d");
                      return conv_output(row, same_padding(row.args.integer("k"), dilation), dilation);
                    },
                .build = [](const RowContext& row) -> BlockPtr {
                  ConvNormActOptions options =
                      conv_options(row, std::gcd(row.input().channels, row.args.integer("out")));
                  options.conv.dilation = row.args.integer("d");
                  options.conv.padding = same_padding(options.conv.kernel, options.conv.dilation);
                  options.norm = chosen_norm_options(row);
                  return ConvNormAct(options).ptr();
                }});
}

void register_conv_norm(Registry& registry) {
  registry.add({.name = "ConvNorm",
                .summary = "convolution, BatchNorm, activation (the official keys conv, norm)",
                .arguments = {out_argument(), kernel_argument(), stride_argument(),
                              activation_argument("act", "activation").fallback("none"), groups_argument().named_only(),
                              norm_argument(), freeze_argument(),
                              text_argument("keys", "numbered: keys 0, 1 as in a Sequential; torchvision: conv1, bn1",
                                            {"named", "numbered", "torchvision"})
                                  .fallback("named")
                                  .named_only()},
                .output =
                    [](const RowContext& row) {
                      check_groups(row.args.integer("g"), row.input().channels, row.args.integer("out"));
                      return conv_output(row, (row.args.integer("k") - 1) / 2);
                    },
                .build = [](const RowContext& row) -> BlockPtr {
                  ConvNormActOptions options = conv_options(row, row.args.integer("g"));
                  const std::string& keys = row.args.text("keys");
                  options.conv_name = keys == "numbered" ? "0" : keys == "torchvision" ? "conv1" : "conv";
                  options.norm_name = keys == "numbered" ? "1" : keys == "torchvision" ? "bn1" : "norm";
                  options.norm = chosen_norm_options(row);
                  options.freeze = row.args.flag("freeze");
                  options.conv.padding = (options.conv.kernel - 1) / 2;
                  return ConvNormAct(options).ptr();
                }});
}

}  // namespace

void register_conv_blocks(Registry& registry) {
  register_conv(registry);
  register_depthwise_conv(registry);
  register_conv_norm(registry);
}

}  // namespace rtdetr
