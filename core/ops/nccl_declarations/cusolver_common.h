#pragma once  // LibTorch's headers name this type, and nothing of it is used

enum cusolverStatus_t : int;
