#include <moru/version.h>
#include <moru/status.h>

const char *moru_version(void)
{
    return MORU_VERSION;
}
