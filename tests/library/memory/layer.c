// A Vulkan layer between wgpu and the driver, in which the n-th call of some functions fails. A test builds it and says which
// by a file that both of them map. Of Vulkan's headers only what is used stands here, so that none need be installed.

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef int32_t Result;
typedef void (*Function)(void);
typedef Function (*GetProc)(void *, const char *);

enum { SUCCESS = 0, INITIALIZATION_FAILED = -3, LAYER_INTERFACE = 2 };

// The file: which functions, by a bit each; the call that fails, counted down to 0; whether all after it fail too; what they return;
// and how many buffers and allocations there are now.
struct Control {
    uint32_t functions;
    int32_t countdown;
    int32_t from_then_on;
    int32_t result;
    int32_t buffers;
    int32_t allocations;
};

static struct Control nothing;
static struct Control *control = &nothing;

static GetProc next_instance;
static GetProc next_device;

// In the order of the bits.
#define FUNCTIONS(F)                                                                                                   \
    F(0, CreateBuffer, (void *d, void *i, void *a, void *o), (d, i, a, o))                                             \
    F(1, AllocateMemory, (void *d, void *i, void *a, void *o), (d, i, a, o))                                           \
    F(2, BindBufferMemory, (void *d, uint64_t b, uint64_t m, uint64_t at), (d, b, m, at))                              \
    F(4, CreateShaderModule, (void *d, void *i, void *a, void *o), (d, i, a, o))                                       \
    F(5, CreateDescriptorSetLayout, (void *d, void *i, void *a, void *o), (d, i, a, o))                                \
    F(6, CreatePipelineLayout, (void *d, void *i, void *a, void *o), (d, i, a, o))                                     \
    F(7, CreateComputePipelines, (void *d, uint64_t c, uint32_t n, void *i, void *a, void *o), (d, c, n, i, a, o))     \
    F(8, CreateDescriptorPool, (void *d, void *i, void *a, void *o), (d, i, a, o))                                     \
    F(9, AllocateDescriptorSets, (void *d, void *i, void *o), (d, i, o))                                               \
    F(10, CreateCommandPool, (void *d, void *i, void *a, void *o), (d, i, a, o))                                       \
    F(11, AllocateCommandBuffers, (void *d, void *i, void *o), (d, i, o))                                              \
    F(12, BeginCommandBuffer, (void *c, void *i), (c, i))                                                              \
    F(13, EndCommandBuffer, (void *c), (c))                                                                            \
    F(14, QueueSubmit, (void *q, uint32_t n, void *s, uint64_t f), (q, n, s, f))                                       \
    F(15, WaitSemaphores, (void *d, void *i, uint64_t t), (d, i, t))                                                   \
    F(16, WaitSemaphoresKHR, (void *d, void *i, uint64_t t), (d, i, t))                                                \
    F(17, GetSemaphoreCounterValue, (void *d, uint64_t s, void *o), (d, s, o))                                         \
    F(18, GetSemaphoreCounterValueKHR, (void *d, uint64_t s, void *o), (d, s, o))                                      \
    F(19, WaitForFences, (void *d, uint32_t n, void *f, uint32_t a, uint64_t t), (d, n, f, a, t))                      \
    F(20, GetFenceStatus, (void *d, uint64_t f), (d, f))

// Whether this call is the one.
static int fails(int bit) {
    if (!(__atomic_load_n(&control->functions, __ATOMIC_SEQ_CST) >> bit & 1)) {
        return 0;
    }
    int32_t left = __atomic_sub_fetch(&control->countdown, 1, __ATOMIC_SEQ_CST);
    return left == 0 || (left < 0 && control->from_then_on);
}

static void counted(int bit, int by) {
    if (bit < 2) {
        __atomic_add_fetch(bit == 0 ? &control->buffers : &control->allocations, by, __ATOMIC_SEQ_CST);
    }
}

#define DEFINE(bit, name, parameters, arguments)                                                                       \
    static Result(*next_##name) parameters;                                                                            \
    static Result my_##name parameters {                                                                               \
        if (fails(bit)) {                                                                                              \
            return control->result;                                                                                    \
        }                                                                                                              \
        Result result = next_##name arguments;                                                                         \
        if (result == SUCCESS) {                                                                                       \
            counted(bit, 1);                                                                                           \
        }                                                                                                              \
        return result;                                                                                                 \
    }
FUNCTIONS(DEFINE)

#define DEFINE_END(bit, name)                                                                                          \
    static void (*next_##name)(void *, uint64_t, void *);                                                              \
    static void my_##name(void *d, uint64_t what, void *a) {                                                           \
        if (what) {                                                                                                    \
            counted(bit, -1);                                                                                          \
        }                                                                                                              \
        next_##name(d, what, a);                                                                                       \
    }
DEFINE_END(0, DestroyBuffer)
DEFINE_END(1, FreeMemory)

// What the loader hands from layer to layer, in a chain of structures.
struct Link {
    struct Link *next;
    GetProc instance_proc;
    GetProc device_proc;
};

struct Chain {
    int32_t type;
    struct Chain *next;
    int32_t function;
    struct Link *link;
};

static struct Chain *link_of(void *info, int32_t type) {
    struct Chain *chain = ((struct Chain *)info)->next;
    while (chain && !(chain->type == type && chain->function == 0)) {
        chain = chain->next;
    }
    return chain;
}

static Result my_CreateInstance(void *info, void *allocator, void **made) {
    struct Chain *chain = link_of(info, 47);
    if (!chain) {
        return INITIALIZATION_FAILED;
    }
    next_instance = chain->link->instance_proc;
    chain->link = chain->link->next;
    Result (*create)(void *, void *, void **) = (void *)next_instance(NULL, "vkCreateInstance");
    return create ? create(info, allocator, made) : INITIALIZATION_FAILED;
}

static Result my_CreateDevice(void *adapter, void *info, void *allocator, void **made) {
    struct Chain *chain = link_of(info, 48);
    if (!chain) {
        return INITIALIZATION_FAILED;
    }
    GetProc instance_proc = chain->link->instance_proc;
    next_device = chain->link->device_proc;
    chain->link = chain->link->next;
    Result (*create)(void *, void *, void *, void **) = (void *)instance_proc(NULL, "vkCreateDevice");
    if (!create) {
        return INITIALIZATION_FAILED;
    }
    Result result = create(adapter, info, allocator, made);
    if (result == SUCCESS) {
        // All devices are of one driver.
#define FIND(bit, name, parameters, arguments) next_##name = (void *)next_device(*made, "vk" #name);
        FUNCTIONS(FIND)
        next_DestroyBuffer = (void *)next_device(*made, "vkDestroyBuffer");
        next_FreeMemory = (void *)next_device(*made, "vkFreeMemory");
    }
    return result;
}

static Function get_device(void *device, const char *name);
static Function get_instance(void *instance, const char *name);

static Function own(const char *name) {
#define OWN(bit, of, parameters, arguments)                                                                            \
    if (!strcmp(name, "vk" #of)) {                                                                                     \
        return (Function)my_##of;                                                                                      \
    }
    FUNCTIONS(OWN)
    OWN(0, DestroyBuffer, , )
    OWN(0, FreeMemory, , )
    OWN(0, CreateInstance, , )
    OWN(0, CreateDevice, , )
    if (!strcmp(name, "vkGetDeviceProcAddr")) {
        return (Function)get_device;
    }
    if (!strcmp(name, "vkGetInstanceProcAddr")) {
        return (Function)get_instance;
    }
    return NULL;
}

static Function get_device(void *device, const char *name) {
    Function next = next_device(device, name);
    // What the driver has not is not here either.
    Function mine = next ? own(name) : NULL;
    return mine ? mine : next;
}

static Function get_instance(void *instance, const char *name) {
    Function mine = own(name);
    return mine ? mine : next_instance(instance, name);
}

struct Negotiation {
    int32_t type;
    void *next;
    uint32_t version;
    GetProc instance_proc;
    GetProc device_proc;
    GetProc adapter_proc;
};

__attribute__((visibility("default"))) Result vkNegotiateLoaderLayerInterfaceVersion(struct Negotiation *with) {
    const char *path = getenv("WGLOSS_FAULTS");
    int file = path ? open(path, O_RDWR) : -1;
    if (file >= 0) {
        void *map = mmap(NULL, sizeof(struct Control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (map != MAP_FAILED) {
            control = map;
        }
    }
    with->version = LAYER_INTERFACE;
    with->instance_proc = get_instance;
    with->device_proc = get_device;
    with->adapter_proc = NULL;
    return SUCCESS;
}
