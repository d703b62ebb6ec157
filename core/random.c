/* Philox 4x32-10: see moru/random.h for the source. */
#include <math.h>

#include <moru/random.h>

static void philox(uint64_t key, uint64_t block, uint64_t stream, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint32_t moru_random_bits(moru_random *random)
{
    uint32_t out[4];
    philox(random->seed, random->counter / 4, random->stream, out);
    return out[random->counter++ % 4];
}

double moru_random_uniform(moru_random *random)
{
    uint64_t high = moru_random_bits(random), low = moru_random_bits(random);
    return (double)((high << 21) ^ (low >> 11)) * 0x1p-53;
}

double moru_random_normal(moru_random *random)
{
    double u = 1.0 - moru_random_uniform(random), v = moru_random_uniform(random);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

int64_t moru_random_below(moru_random *random, int64_t n)
{
    uint64_t range = (uint64_t)n, limit = UINT64_MAX - UINT64_MAX % range, bits;
    do {
        uint64_t high = moru_random_bits(random);
        bits = (high << 32) | moru_random_bits(random);
    } while (bits >= limit);
    return (int64_t)(bits % range);
}

void moru_random_permutation(moru_random *random, int64_t *order, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t j = moru_random_below(random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

uint64_t moru_random_stream(const char *name)
{
    uint64_t hash = 14695981039346656037u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    return hash;
}
