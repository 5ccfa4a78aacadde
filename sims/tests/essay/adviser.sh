# Reads questions and answers them; what it does wrong is its argument.
while read -r line; do
    number=${line#*\"number\":}
    number=${number%%,*}
    case "$1" in
    silent) continue ;;
    text) echo "{\"number\":$number,\"answer\":\"as much as you can\"}" ;;
    line) echo "I have no idea." ;;
    long) head -c 200000 /dev/zero | tr '\0' x ;;
    twice) echo "{\"number\":$number,\"answer\":\"1\"}" && echo "{\"number\":$number,\"answer\":\"2\"}" ;;
    dies) echo "out of ideas" >&2 && exit 3 ;;
    half) printf '{"number":%s,"ans' "$number" && exit 0 ;;
    *) echo "{\"number\":$number,\"answer\":\"$((number % 7 * 60))\"}" ;;
    esac
done
