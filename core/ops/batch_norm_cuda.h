#pragma once

#include <cuda_runtime_api.h>

#include "core/ops/batch_norm_shape.h"
#include "core/ops/cuda_type.h"

/// Launchers of the CUDA kernels: raw device pointers of contiguous arrays, asynchronous on `stream`; nothing waits for
/// the device. Arrays of channels are one after another without padding.
namespace rtdetr {

struct BatchNormMap {
  const void* elements;
  CudaType type;  ///< not double
  BatchNormShape shape;
};

/// Two sums for each channel: of several slices of a map, or, with one slice, of whole maps.
struct BatchNormSums {
  double* values;       ///< [slices, 2, C]
  std::int64_t slices;  ///< of which batch_norm_slices says how many a map has
  std::int64_t channels;
  double rows;                          ///< that they are over
  const double* joined_rows = nullptr;  ///< the same where only the device knows it
};
/// Depends on the shape alone, and with it the order of summation.
std::int64_t batch_norm_slices(const BatchNormShape& shape);

/// Σx and Σx² of each slice.
cudaError_t launch_batch_norm_sums(const BatchNormMap& x, const BatchNormSums& out, cudaStream_t stream);

struct BatchNormStatistics {
  const float *weight, *bias;         ///< [C]
  float *running_mean, *running_var;  ///< [C], moved
  float* norm;                        ///< [4, C]: mean, 1 / deviation, scale, shift, as a ChannelNorm has them
  double momentum, eps;
};
cudaError_t launch_batch_norm_statistics(const BatchNormSums& sums, const BatchNormStatistics& out,
                                         cudaStream_t stream);

cudaError_t launch_batch_norm_normalize(const BatchNormMap& x, NormActivation activation, const float* norm, void* y,
                                        cudaStream_t stream);

/// Statistics that stay as they are, [C] each.
struct BatchNormFixed {
  const float *weight, *bias, *mean, *variance;
  float eps;
};
/// The same of fixed statistics. @param norm  [4, C], written for the backward pass; or null
cudaError_t launch_batch_norm_fixed(const BatchNormMap& x, NormActivation activation, const BatchNormFixed& fixed,
                                    float* norm, void* y, cudaStream_t stream);

/// Σdz and Σdz·x̂ of each slice, with dz = g · act'(z). @param g  as x
cudaError_t launch_batch_norm_backward_sums(const BatchNormMap& x, const void* g, NormActivation activation,
                                            const float* norm, const BatchNormSums& out, cudaStream_t stream);

/// What is made of the slices' sums together; what is null is left out.
struct BatchNormTotals {
  float* sums = nullptr;     ///< [2, C]
  float* means = nullptr;    ///< [2, C]
  double* joined = nullptr;  ///< [2·C + 1]: the sums and their rows, to be added to other processes'
};
cudaError_t launch_batch_norm_totals(const BatchNormSums& sums, const BatchNormTotals& out, cudaStream_t stream);

/// dx = scale · (dz − mean of dz − x̂ · mean of dz·x̂). @param means  [2, C]; null: none, of fixed statistics
cudaError_t launch_batch_norm_input(const BatchNormMap& x, const void* g, NormActivation activation, const float* norm,
                                    const float* means, void* dx, cudaStream_t stream);

}  // namespace rtdetr
