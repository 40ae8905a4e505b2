#pragma once  // LibTorch's headers name this type, and nothing of it is used

typedef struct cusolverDnContext* cusolverDnHandle_t;
