/* A stand-in for NVIDIA's libnvidia-ml.so.1: boards and errors as the environment says; what pynvml and torch call.

   NVML_STUB_BOARDS    how many boards there are (1)
   NVML_STUB_ERROR     what nvmlInit answers instead of success: 9, 15, 18, 999
   NVML_STUB_LOST      index of a board that is lost (none)
   NVML_STUB_SLICES    MIG slices of each board (0: not sliced)
   NVML_STUB_MEMORY    total MiB of a board; 0: it does not tell (81559)
   NVML_STUB_PID       a process that computes on each board (none)
   NVML_STUB_THROTTLE  bits of why clocks are low (0)
   NVML_STUB_POWER     watts that each board takes: its energy counter follows the clock (300); 0: not counted
   NVML_STUB_VIOLATION nanoseconds of power and of thermal violation in each second (0) */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK, UNINITIALIZED, INVALID, NOT_SUPPORTED, NOT_FOUND = 6, TOO_SMALL = 7, LOST = 15 };
#define MOST 16

typedef struct { int board, slice; } Device; /* slice -1: the board itself */
static Device boards[MOST], slices[MOST][7];
static int users;

static long setting(const char *name, long usual) {
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 0) : usual;
}

static int count(void) {
    long n = setting("NVML_STUB_BOARDS", 1);
    return n > MOST ? MOST : (int)n;
}

static int sliced(void) {
    long n = setting("NVML_STUB_SLICES", 0);
    return n > 7 ? 7 : (int)n;
}

static unsigned long long since_boot(long a_second) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (unsigned long long)((now.tv_sec + now.tv_nsec / 1e9) * a_second);
}

int nvmlInit_v2(void) {
    int error = (int)setting("NVML_STUB_ERROR", 0);
    if (error) return error;
    for (int b = 0; b < MOST; b++) {
        boards[b] = (Device){b, -1};
        for (int s = 0; s < 7; s++) slices[b][s] = (Device){b, s};
    }
    users++;
    return OK;
}
int nvmlInit(void) { return nvmlInit_v2(); }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
int nvmlShutdown(void) { return users > 0 ? (users--, OK) : UNINITIALIZED; }
const char *nvmlErrorString(int error) { (void)error; return "an error of the stub"; }

int nvmlSystemGetDriverVersion(char *text, unsigned length) {
    return users ? (snprintf(text, length, "580.95.05"), OK) : UNINITIALIZED;
}
int nvmlSystemGetCudaDriverVersion_v2(int *version) { return users ? (*version = 13000, OK) : UNINITIALIZED; }
int nvmlDeviceGetCount_v2(unsigned *n) { return users ? (*n = (unsigned)count(), OK) : UNINITIALIZED; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **found) {
    if (!users) return UNINITIALIZED;
    if (index >= (unsigned)count()) return INVALID;
    if ((long)index == setting("NVML_STUB_LOST", -1)) return LOST;
    *found = &boards[index];
    return OK;
}

int nvmlDeviceGetUUID(Device *one, char *text, unsigned length) {
    const char *form = one->slice < 0 ? "GPU-%08d-0000-4000-8000-000000000000" : "MIG-%08d-0000-4000-8000-%012d";
    snprintf(text, length, form, one->board, one->slice);
    return OK;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device **found) {
    char text[96];
    for (int b = 0; b < count(); b++)
        for (int s = -1; s < sliced(); s++) {
            Device *one = s < 0 ? &boards[b] : &slices[b][s];
            nvmlDeviceGetUUID(one, text, sizeof text);
            if (!strcmp(text, uuid)) {
                if (b == setting("NVML_STUB_LOST", -1)) return LOST;
                *found = one;
                return OK;
            }
        }
    return NOT_FOUND;
}

int nvmlDeviceGetName(Device *one, char *text, unsigned length) {
    snprintf(text, length, one->slice < 0 ? "Stub H100" : "Stub H100 MIG 1g.10gb");
    return OK;
}

int nvmlDeviceGetMigMode(Device *one, unsigned *now, unsigned *pending) {
    (void)one;
    *now = *pending = sliced() > 0;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(Device *one, unsigned *most) { (void)one; *most = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(Device *one, unsigned index, Device **found) {
    if (index >= (unsigned)sliced()) return NOT_FOUND;
    *found = &slices[one->board][index];
    return OK;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device *one, Device **board) { *board = &boards[one->board]; return OK; }

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
static unsigned long long mib(Device *one) {
    return (unsigned long long)setting("NVML_STUB_MEMORY", 81559) / (one->slice < 0 ? 1 : 8);
}
int nvmlDeviceGetMemoryInfo(Device *one, Memory *memory) {
    if (!mib(one)) return NOT_SUPPORTED;
    *memory = (Memory){mib(one) << 20, (mib(one) - 604) << 20, 604ull << 20};
    return OK;
}
int nvmlDeviceGetMemoryInfo_v2(Device *one, MemoryV2 *memory) {
    if (!mib(one)) return NOT_SUPPORTED;
    *memory = (MemoryV2){memory->version, mib(one) << 20, 600ull << 20, (mib(one) - 604) << 20, 4ull << 20};
    return OK;
}

typedef struct { unsigned gpu, memory; } Utilization;
int nvmlDeviceGetUtilizationRates(Device *one, Utilization *rates) {
    if (one->slice >= 0) return NOT_SUPPORTED;
    *rates = (Utilization){0, 0};
    return OK;
}

typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } Process;
int nvmlDeviceGetComputeRunningProcesses_v3(Device *one, unsigned *n, Process *found) {
    long pid = setting("NVML_STUB_PID", 0);
    unsigned room = *n;
    (void)one;
    *n = pid != 0;
    if (!pid) return OK;
    if (!found || room < 1) return TOO_SMALL;
    found[0] = (Process){(unsigned)pid, 1ull << 30, 0xffffffffu, 0xffffffffu};
    return OK;
}

int nvmlDeviceGetEnforcedPowerLimit(Device *one, unsigned *milliwatts) {
    return one->slice < 0 ? (*milliwatts = 700000, OK) : NOT_SUPPORTED;
}
int nvmlDeviceGetPersistenceMode(Device *one, int *mode) { (void)one; *mode = 1; return OK; }
int nvmlDeviceGetComputeMode(Device *one, int *mode) { (void)one; *mode = 0; return OK; }

int nvmlDeviceGetTotalEnergyConsumption(Device *one, unsigned long long *millijoules) {
    long watts = setting("NVML_STUB_POWER", 300);
    if (one->slice >= 0 || !watts) return NOT_SUPPORTED;
    *millijoules = since_boot(watts * 1000);
    return OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(Device *one, unsigned long long *bits) {
    (void)one;
    *bits = (unsigned long long)setting("NVML_STUB_THROTTLE", 0);
    return OK;
}
typedef struct { unsigned long long reference, violation; } Violation; /* microseconds of the clock; nanoseconds */
int nvmlDeviceGetViolationStatus(Device *one, int policy, Violation *found) {
    if (one->slice >= 0 || policy > 1) return NOT_SUPPORTED;
    *found = (Violation){since_boot(1000000), since_boot(setting("NVML_STUB_VIOLATION", 0))};
    return OK;
}

int nvmlDeviceGetTotalEccErrors(Device *one, int kind, int counter, unsigned long long *n) {
    (void)one, (void)kind, (void)counter;
    *n = 0;
    return OK;
}
int nvmlDeviceGetRemappedRows(Device *one, unsigned *corrected, unsigned *not_corrected, unsigned *pending, unsigned *failed) {
    (void)one;
    *corrected = *not_corrected = *pending = *failed = 0;
    return OK;
}
